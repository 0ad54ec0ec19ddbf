-- Devices that were put out of service for good, and what certifies it; NULL: it is still under way.
CREATE TABLE IF NOT EXISTS devices.decommission (
    device_key     bigint      PRIMARY KEY,
    certificate_id uuid        NOT NULL UNIQUE,
    project_key    bigint      NOT NULL,
    account_key    bigint      NOT NULL,
    begun_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    certificate    jsonb
);
CREATE INDEX IF NOT EXISTS decommission_by_project ON devices.decommission (project_key, device_key);
GRANT SELECT, INSERT, UPDATE, DELETE ON devices.decommission TO svc_devices;
