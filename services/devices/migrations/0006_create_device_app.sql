-- Which apps are on which device, each in one stage or both.
CREATE TABLE IF NOT EXISTS devices.device_app (
    device_key  bigint      NOT NULL,
    project_key bigint      NOT NULL,
    app_key     bigint      NOT NULL,
    stage       text        NOT NULL CHECK (stage IN ('DEV', 'PROD')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (device_key, app_key, stage)
);

-- Of the device's own project, always: a device that goes elsewhere leaves its apps behind first.
ALTER TABLE devices.device_app DROP CONSTRAINT IF EXISTS app_is_on_a_device;
ALTER TABLE devices.device_app ADD CONSTRAINT app_is_on_a_device FOREIGN KEY (device_key, project_key)
    REFERENCES devices.device (device_key, project_key) ON DELETE CASCADE;
CREATE INDEX IF NOT EXISTS device_app_by_install ON devices.device_app (project_key, app_key, stage, device_key);

-- Which sessions of a device's apps the router is to end: written with the change, told until it was taken.
CREATE TABLE IF NOT EXISTS devices.app_ending (
    ending_key    bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    serial_number uuid        NOT NULL,
    conditions    jsonb       NOT NULL,
    attempts      integer     NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS app_ending_by_due ON devices.app_ending (due_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.device_app, devices.app_ending TO svc_devices;
