-- Devices, and what devices must know of the projects they are in.

-- A copy of what realms and auth own, so that an agent's own calls rest on this service alone (decision 14).
CREATE TABLE IF NOT EXISTS devices.project (
    project_key       bigint PRIMARY KEY,
    name              text   NOT NULL,
    owner_account_key bigint NOT NULL,
    owner_name        text   NOT NULL
);

CREATE TABLE IF NOT EXISTS devices.device (
    device_key     bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key    bigint      NOT NULL REFERENCES devices.project (project_key),
    name           text        NOT NULL,
    name_canonical text        NOT NULL,
    description    text        NOT NULL DEFAULT '',
    serial_number  uuid        NOT NULL UNIQUE,
    state          text        NOT NULL CHECK (state IN ('registered', 'flashing', 'flashed', 'deleting')),
    state_since    timestamptz NOT NULL DEFAULT now(),
    flash_id       uuid,
    flashed_at     timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    status         text        NOT NULL DEFAULT 'DISCONNECTED'
        CHECK (status IN ('DISCONNECTED', 'CONFIGURING', 'CONNECTED', 'EMERGENCY')),
    status_since   timestamptz,
    session        bigint,
    seen_at        timestamptz,
    architecture   text,
    os             text,
    agent_version  text,
    stats          jsonb,
    CONSTRAINT device_name_per_project UNIQUE (project_key, name_canonical),
    CONSTRAINT flashing_has_an_id CHECK (state <> 'flashing' OR flash_id IS NOT NULL),
    CONSTRAINT online_has_a_session CHECK ((status = 'DISCONNECTED') = (session IS NULL))
);

CREATE INDEX IF NOT EXISTS device_by_session ON devices.device (session) WHERE session IS NOT NULL;
CREATE INDEX IF NOT EXISTS device_in_transit ON devices.device (state_since) WHERE state IN ('flashing', 'deleting');

GRANT USAGE ON SCHEMA devices TO svc_devices;
GRANT SELECT, INSERT, UPDATE, DELETE ON devices.device, devices.project TO svc_devices;
