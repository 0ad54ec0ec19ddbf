-- What people note of devices, to find them by.
CREATE TABLE IF NOT EXISTS devices.device_tag (
    device_key bigint NOT NULL REFERENCES devices.device (device_key) ON DELETE CASCADE,
    name       text   NOT NULL,
    value      text   NOT NULL,
    PRIMARY KEY (device_key, name)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON devices.device_tag TO svc_devices;
