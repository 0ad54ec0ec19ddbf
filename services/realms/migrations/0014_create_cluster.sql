-- PostgreSQL servers that have projects' databases (clusters), and on which of them each project is. The first is the one that the control
-- database is on. `host`, `port` and `reached_at` are written by the provisioner, once it has been let in there: nobody else knows an address.

CREATE TABLE IF NOT EXISTS realms.cluster (
    cluster_key bigint GENERATED ALWAYS AS IDENTITY (START 2 MAXVALUE 9007199254740991) PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    region      text        NOT NULL,
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed', 'draining')),
    capacity    integer     NOT NULL CHECK (capacity >= 0),
    drained_by  bigint,  -- who had it emptied
    host        text,
    port        integer,
    reached_at  timestamptz
);
INSERT INTO realms.cluster (cluster_key, name, region, capacity, reached_at) OVERRIDING SYSTEM VALUE
    VALUES (1, 'first', 'default', 10000, now()) ON CONFLICT DO NOTHING;

-- `project.cluster_key` says where new backends of the project go, `backend.cluster_key` where one is. `placed` counts its places.
ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS cluster_key bigint NOT NULL DEFAULT 1 REFERENCES realms.cluster (cluster_key);
ALTER TABLE realms.backend ADD COLUMN IF NOT EXISTS cluster_key bigint NOT NULL DEFAULT 1 REFERENCES realms.cluster (cluster_key);
ALTER TABLE realms.backend ADD COLUMN IF NOT EXISTS placed integer NOT NULL DEFAULT 1;
CREATE INDEX IF NOT EXISTS project_by_cluster ON realms.project (cluster_key);
CREATE INDEX IF NOT EXISTS backend_by_cluster ON realms.backend (cluster_key);

GRANT SELECT, INSERT, UPDATE ON realms.cluster TO svc_realms;
GRANT SELECT, UPDATE (host, port, reached_at) ON realms.cluster TO provisioner;
