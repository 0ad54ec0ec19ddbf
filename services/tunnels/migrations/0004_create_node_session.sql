-- Sessions of agents at frps nodes: a process that starts ends those that an earlier one has left there.

CREATE TABLE IF NOT EXISTS tunnels.node_session (
    node       text        NOT NULL,
    run_id     text        NOT NULL,
    device_key bigint      NOT NULL,
    began_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, run_id)
);

GRANT SELECT, INSERT, DELETE ON tunnels.node_session TO svc_tunnels;
