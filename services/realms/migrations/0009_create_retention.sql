-- How long rows of a data backend's tables are kept, where people say otherwise than the release that is installed.

CREATE TABLE IF NOT EXISTS realms.retention (
    backend_key bigint NOT NULL REFERENCES realms.backend (backend_key),
    table_name  text   NOT NULL,
    keep_s      bigint NOT NULL CHECK (keep_s > 0),
    PRIMARY KEY (backend_key, table_name)
);

-- What was said and is not in force yet: fleetdb says when it is (decision 25).
CREATE TABLE IF NOT EXISTS realms.retention_change (
    change_key  bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    backend_key bigint NOT NULL REFERENCES realms.backend (backend_key),
    account_key bigint NOT NULL,
    spans       jsonb  NOT NULL
);
CREATE INDEX IF NOT EXISTS retention_change_by_backend ON realms.retention_change (backend_key, change_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON realms.retention TO svc_realms;
GRANT SELECT, INSERT, DELETE ON realms.retention_change TO svc_realms;
