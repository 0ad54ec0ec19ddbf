-- The terminals that people have open on devices, and at which process: one a person and device, since an agent has
-- one shell for each who calls it. One that is over and is still here has left its shell behind.
CREATE TABLE IF NOT EXISTS devices.terminal (
    terminal_id uuid        PRIMARY KEY,
    account_key bigint      NOT NULL,
    device_key  bigint      NOT NULL,
    process     uuid        NOT NULL,
    alive_until timestamptz NOT NULL,
    UNIQUE (account_key, device_key)
);
CREATE INDEX IF NOT EXISTS terminal_by_device ON devices.terminal (device_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.terminal TO svc_devices;
