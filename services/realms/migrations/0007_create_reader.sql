-- Logins of people who read a data backend by SQL: one for each person and backend, whose name nobody has seen.

CREATE TABLE IF NOT EXISTS realms.reader (
    backend_key bigint      NOT NULL REFERENCES realms.backend (backend_key),
    account_key bigint      NOT NULL,
    login_name  text        NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (backend_key, account_key)
);

ALTER TABLE realms.provision_job DROP CONSTRAINT IF EXISTS provision_job_kind_check;
ALTER TABLE realms.provision_job ADD CONSTRAINT provision_job_kind_check
    CHECK (kind IN ('make', 'close', 'certify', 'rotate', 'retire', 'admit'));

GRANT SELECT, INSERT ON realms.reader TO svc_realms;
GRANT SELECT ON realms.reader TO provisioner;
