-- Recordings of terminal visits, sealed in parts under the service's data keys, and the apps for which projects ask for them.

CREATE TABLE IF NOT EXISTS tunnels.data_key (
    key_id        text PRIMARY KEY,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS tunnels.recorded_app (
    project_key bigint NOT NULL,
    app         text   NOT NULL,
    PRIMARY KEY (project_key, app)
);

CREATE TABLE IF NOT EXISTS tunnels.recording (
    visit_key    bigint PRIMARY KEY,
    project_key  bigint      NOT NULL,
    device_key   bigint      NOT NULL,
    app          text        NOT NULL,
    account_key  bigint,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz,
    octets       bigint      NOT NULL DEFAULT 0,
    is_truncated boolean     NOT NULL DEFAULT false,
    sha256       text
);
CREATE INDEX IF NOT EXISTS recording_by_project ON tunnels.recording (project_key, visit_key);
CREATE INDEX IF NOT EXISTS recording_by_beginning ON tunnels.recording (began_at);

CREATE TABLE IF NOT EXISTS tunnels.recording_part (
    visit_key bigint  NOT NULL REFERENCES tunnels.recording (visit_key) ON DELETE CASCADE,
    number    integer NOT NULL,
    sealed    bytea   NOT NULL,
    PRIMARY KEY (visit_key, number)
);

GRANT SELECT, INSERT, UPDATE ON tunnels.data_key TO svc_tunnels;
GRANT SELECT, INSERT, DELETE ON tunnels.recorded_app, tunnels.recording_part TO svc_tunnels;
GRANT SELECT, INSERT, UPDATE, DELETE ON tunnels.recording TO svc_tunnels;
