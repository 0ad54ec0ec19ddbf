-- Tunnels that stand for the ports of an app, as devices tells them, go with those ports; what people declare stays.
ALTER TABLE tunnels.tunnel ADD COLUMN IF NOT EXISTS is_of_ports boolean NOT NULL DEFAULT false;

-- What was told last of each app: what is told later than something newer changes nothing.
CREATE TABLE IF NOT EXISTS tunnels.told_ports (
    device_key bigint NOT NULL,
    app        text   NOT NULL,
    revision   bigint NOT NULL,
    PRIMARY KEY (device_key, app)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON tunnels.told_ports TO svc_tunnels;
