-- Apps that groups of devices are to have, and what became of that on each device.

CREATE TABLE IF NOT EXISTS devices.group_app (
    group_key   bigint      NOT NULL REFERENCES devices.device_group (group_key) ON DELETE CASCADE,
    app_key     bigint      NOT NULL,
    stage       text        NOT NULL CHECK (stage IN ('DEV', 'PROD')),
    app_name    text        NOT NULL,
    target      text        NOT NULL CHECK (target IN ('PRESENT', 'RUNNING')),
    release_key bigint      NOT NULL,
    version     text        NOT NULL,
    environment bytea,
    account_key bigint      NOT NULL,
    credential  text,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    revision    bigint      NOT NULL DEFAULT 1,
    PRIMARY KEY (group_key, app_key, stage)
);

-- Gone with the membership: a device that leaves keeps what it has, and is another one when it comes back. What the
-- group had wanted is kept beside, so that what somebody wants of the device itself is told from it.
CREATE TABLE IF NOT EXISTS devices.group_app_device (
    group_key   bigint      NOT NULL,
    device_key  bigint      NOT NULL,
    app_key     bigint      NOT NULL,
    stage       text        NOT NULL,
    revision    bigint      NOT NULL,
    state       text        NOT NULL CHECK (state IN ('applied', 'own', 'refused')),
    reason      text,
    target      text,
    release_key bigint,
    environment bytea,
    due_at      timestamptz NOT NULL,
    PRIMARY KEY (group_key, device_key, app_key, stage)
);
ALTER TABLE devices.group_app_device DROP CONSTRAINT IF EXISTS wanted_of_a_member;
ALTER TABLE devices.group_app_device ADD CONSTRAINT wanted_of_a_member FOREIGN KEY (group_key, device_key)
    REFERENCES devices.group_member (group_key, device_key) ON DELETE CASCADE;
ALTER TABLE devices.group_app_device DROP CONSTRAINT IF EXISTS wanted_of_a_group;
ALTER TABLE devices.group_app_device ADD CONSTRAINT wanted_of_a_group FOREIGN KEY (group_key, app_key, stage)
    REFERENCES devices.group_app (group_key, app_key, stage) ON DELETE CASCADE;

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.group_app, devices.group_app_device TO svc_devices;
