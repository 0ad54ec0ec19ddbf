-- Ports that people have set for apps, which tunnels is to be told of: one row an app, until it was taken. Its key counts
-- the changes, so that what is told late undoes nothing.
CREATE TABLE IF NOT EXISTS devices.tunnel_order (
    device_key  bigint      NOT NULL,
    app_key     bigint      NOT NULL,
    order_key   bigint      GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991),
    app_name    text        NOT NULL,
    account_key bigint,
    attempts    integer     NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (device_key, app_key)
);
CREATE INDEX IF NOT EXISTS tunnel_order_by_due ON devices.tunnel_order (due_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.tunnel_order TO svc_devices;
