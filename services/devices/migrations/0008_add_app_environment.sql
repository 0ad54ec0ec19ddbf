-- What people set for an app on a device: the values of its environment, sealed as a whole, and its port rules;
-- NULL: nobody has set any, those that its agent told of stand.

CREATE TABLE IF NOT EXISTS devices.data_key (
    key_id        text        PRIMARY KEY,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE devices.device_app
    ADD COLUMN IF NOT EXISTS environment bytea,
    ADD COLUMN IF NOT EXISTS ports       jsonb;

GRANT SELECT, INSERT, UPDATE ON devices.data_key TO svc_devices;
