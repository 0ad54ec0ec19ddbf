-- Projects that move to another cluster: one move of a project at a time, each of its backends by itself.

CREATE TABLE IF NOT EXISTS realms.move (
    move_key    bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key bigint      NOT NULL REFERENCES realms.project (project_key),
    to_key      bigint      NOT NULL REFERENCES realms.cluster (cluster_key),
    account_key bigint      NOT NULL,
    state       text        NOT NULL DEFAULT 'moving' CHECK (state IN ('moving', 'done', 'given_up')),
    asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS move_of_project ON realms.move (project_key) WHERE state = 'moving';
CREATE INDEX IF NOT EXISTS move_by_project ON realms.move (project_key, move_key);

-- `phase`: `asked`; `placed` once the provisioner has made it there too, empty; `moved` once fleetdb has carried its rows over and works
-- there, or `given_up`; `done` or `back` once what it has left on the other cluster is gone.
CREATE TABLE IF NOT EXISTS realms.backend_move (
    move_key     bigint  NOT NULL REFERENCES realms.move (move_key),
    backend_key  bigint  NOT NULL REFERENCES realms.backend (backend_key),
    from_key     bigint  NOT NULL REFERENCES realms.cluster (cluster_key),
    to_key       bigint  NOT NULL REFERENCES realms.cluster (cluster_key),
    phase        text    NOT NULL DEFAULT 'asked' CHECK (phase IN ('asked', 'placed', 'moved', 'given_up', 'done', 'back')),
    rows_carried bigint,
    paused_ms    integer,
    problem      text,
    PRIMARY KEY (move_key, backend_key)
);
CREATE UNIQUE INDEX IF NOT EXISTS backend_move_under_way ON realms.backend_move (backend_key) WHERE phase NOT IN ('done', 'back');

-- A job is done on the backend's cluster, or on the one that it says.
ALTER TABLE realms.provision_job ADD COLUMN IF NOT EXISTS cluster_key bigint REFERENCES realms.cluster (cluster_key);
ALTER TABLE realms.provision_job DROP CONSTRAINT IF EXISTS provision_job_kind_check;
ALTER TABLE realms.provision_job ADD CONSTRAINT provision_job_kind_check
    CHECK (kind IN ('make', 'close', 'certify', 'rotate', 'retire', 'admit', 'drop', 'place', 'leave'));

GRANT SELECT, INSERT, UPDATE (state, ended_at) ON realms.move TO svc_realms;
GRANT SELECT, INSERT, UPDATE (phase, rows_carried, paused_ms, problem) ON realms.backend_move TO svc_realms;
GRANT SELECT, UPDATE (phase) ON realms.backend_move TO provisioner;
GRANT SELECT (project_key, cluster_key) ON realms.project TO provisioner;
