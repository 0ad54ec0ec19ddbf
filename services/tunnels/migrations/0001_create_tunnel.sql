-- Tunnels that people have declared, and the ports that devices were allotted.

-- Private while public_since is null; public for good while public_until is.
CREATE TABLE IF NOT EXISTS tunnels.tunnel (
    tunnel_key   bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    device_key   bigint      NOT NULL,
    project_key  bigint      NOT NULL,
    app          text        NOT NULL,
    port         integer     NOT NULL CHECK (port BETWEEN 1 AND 65535),
    protocol     text        NOT NULL CHECK (protocol IN ('tcp', 'udp', 'http', 'https')),
    public_since timestamptz,
    public_until timestamptz,
    declared_by  bigint      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (device_key, app, port, protocol)
);
CREATE INDEX IF NOT EXISTS tunnel_by_project ON tunnels.tunnel (project_key, tunnel_key);

-- Each protocol has its own numbers. A port that has not been used for a day is anybody's again.
CREATE TABLE IF NOT EXISTS tunnels.remote_port (
    protocol   text        NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    port       integer     NOT NULL CHECK (port BETWEEN 1 AND 65535),
    device_key bigint      NOT NULL,
    asked_at   timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (protocol, port)
);
CREATE INDEX IF NOT EXISTS remote_port_by_device ON tunnels.remote_port (device_key);

GRANT USAGE ON SCHEMA tunnels TO svc_tunnels;
GRANT SELECT, INSERT, UPDATE, DELETE ON tunnels.tunnel, tunnels.remote_port TO svc_tunnels;
