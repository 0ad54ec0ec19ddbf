-- What was begun on a device and is not in the log as ended yet; past `due_at` its process is gone. While one that
-- holds the device (`is_holding`) is open, the device goes to no other project.
CREATE TABLE IF NOT EXISTS devices.open_intent (
    request_id uuid        PRIMARY KEY,
    device_key bigint      NOT NULL,
    draft      jsonb       NOT NULL,
    is_holding boolean     NOT NULL,
    due_at     timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS open_intent_by_due ON devices.open_intent (due_at);
CREATE INDEX IF NOT EXISTS open_intent_by_device ON devices.open_intent (device_key);

-- Rotations of apps' credentials that auth may have done, and of which the agent is not told yet.
CREATE TABLE IF NOT EXISTS devices.app_rotation (
    device_key bigint      NOT NULL,
    app_key    bigint      NOT NULL,
    stage      text        NOT NULL,
    ending_key bigint      NOT NULL,
    began_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (device_key, app_key, stage)
);
ALTER TABLE devices.app_rotation DROP CONSTRAINT IF EXISTS rotation_is_of_an_app;
ALTER TABLE devices.app_rotation ADD CONSTRAINT rotation_is_of_an_app FOREIGN KEY (device_key, app_key, stage)
    REFERENCES devices.device_app (device_key, app_key, stage) ON DELETE CASCADE;

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.open_intent, devices.app_rotation TO svc_devices;
