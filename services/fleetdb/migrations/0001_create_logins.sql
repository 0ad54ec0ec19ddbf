-- Data keys, the keys with which fleetdb logs in to backends, and what of backends has been brought up to date.

CREATE TABLE IF NOT EXISTS fleetdb.data_key (
    key_id        text PRIMARY KEY,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- The certificate is public; the private key is sealed.
CREATE TABLE IF NOT EXISTS fleetdb.backend_login (
    backend_key bigint      NOT NULL,
    epoch       integer     NOT NULL,
    private_key bytea       NOT NULL,
    certificate text        NOT NULL,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    PRIMARY KEY (backend_key, epoch)
);

-- The secret columns of a backend in which every value is sealed under this data key.
CREATE TABLE IF NOT EXISTS fleetdb.resealed (
    backend_key bigint PRIMARY KEY,
    key_id      text   NOT NULL,
    columns     text[] NOT NULL
);

-- The views that stand for transforms, as they were made.
CREATE TABLE IF NOT EXISTS fleetdb.transform (
    backend_key     bigint  NOT NULL,
    name            text    NOT NULL,
    digest          bytea   NOT NULL,
    is_materialized boolean NOT NULL,
    PRIMARY KEY (backend_key, name)
);

GRANT USAGE ON SCHEMA fleetdb TO svc_fleetdb;
GRANT SELECT, INSERT, UPDATE ON fleetdb.data_key, fleetdb.resealed TO svc_fleetdb;
GRANT SELECT, INSERT, UPDATE, DELETE ON fleetdb.backend_login, fleetdb.transform TO svc_fleetdb;
