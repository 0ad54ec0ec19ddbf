-- Data backends: where the tables of an app are, for one project and stage, and as whom they are worked with (decisions 3, 20).
-- Every name is random, and committed here before the provisioner makes what bears it.

CREATE TABLE IF NOT EXISTS realms.project_database (
    project_key   bigint PRIMARY KEY REFERENCES realms.project (project_key),
    database_name text NOT NULL UNIQUE,
    state         text NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'ready'))
);

-- `state` is what shall be: `wanted` until it is there, `closed` when the app is not installed any more; its rows stay. `next_login_name` is
-- the login that a rotation makes, `old_login_name` the one before, until fleetdb has left it. `revision` counts what privileges must know of.
CREATE TABLE IF NOT EXISTS realms.backend (
    backend_key         bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key         bigint      NOT NULL REFERENCES realms.project_database (project_key),
    app_key             bigint      NOT NULL REFERENCES realms.app (app_key),
    stage               text        NOT NULL CHECK (stage IN ('DEV', 'PROD')),
    state               text        NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'ready', 'closed')),
    schema_name         text        NOT NULL UNIQUE,
    owner_name          text        NOT NULL UNIQUE,
    login_name          text        NOT NULL UNIQUE,
    next_login_name     text        UNIQUE,
    old_login_name      text        UNIQUE,
    epoch               integer     NOT NULL DEFAULT 1,
    rotated_at          timestamptz,
    creator_account_key bigint      NOT NULL,
    is_told             boolean     NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_key, app_key, stage)
);
CREATE INDEX IF NOT EXISTS backend_by_app ON realms.backend (app_key);
CREATE INDEX IF NOT EXISTS backend_untold ON realms.backend (backend_key) WHERE NOT is_told;

-- What the provisioner is to do, in order: kinds, never statements.
CREATE TABLE IF NOT EXISTS realms.provision_job (
    job_key     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind IN ('make', 'close', 'certify', 'rotate', 'retire')),
    backend_key bigint      NOT NULL REFERENCES realms.backend (backend_key),
    account_key bigint,
    epoch       integer,
    public_key  text,
    asked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_begun    boolean     NOT NULL DEFAULT false,
    attempts    integer     NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at     timestamptz,
    error       text,
    certificate text,
    ends_at     timestamptz
);
CREATE INDEX IF NOT EXISTS provision_job_undone ON realms.provision_job (backend_key, job_key) WHERE done_at IS NULL;

-- When the provisioner was last at work.
CREATE TABLE IF NOT EXISTS realms.provisioner (
    is_one   boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    alive_at timestamptz NOT NULL
);

-- Whatever opens, closes or rotates a backend has it told; the provisioner has no right on what is told, only on backends.
CREATE OR REPLACE FUNCTION realms.backend_tell() RETURNS trigger
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO realms.news (topic, content) VALUES (
        'ironflock.realms.backend.changed',
        jsonb_build_object(
            'backend_key', NEW.backend_key, 'project_key', NEW.project_key, 'app_key', NEW.app_key, 'stage', NEW.stage,
            'state', CASE NEW.state WHEN 'ready' THEN 'ready' ELSE 'absent' END, 'epoch', NEW.epoch
        )
    );
    RETURN NULL;
END;
$$;
REVOKE ALL ON FUNCTION realms.backend_tell() FROM PUBLIC;

CREATE OR REPLACE TRIGGER backend_opened AFTER UPDATE ON realms.backend FOR EACH ROW
    WHEN (NEW.state = 'ready' AND (OLD.state, OLD.epoch) IS DISTINCT FROM (NEW.state, NEW.epoch))
    EXECUTE FUNCTION realms.backend_tell();
CREATE OR REPLACE TRIGGER backend_closed AFTER UPDATE ON realms.backend FOR EACH ROW
    WHEN (OLD.state = 'ready' AND NEW.state <> 'ready')
    EXECUTE FUNCTION realms.backend_tell();

GRANT SELECT, INSERT ON realms.project_database TO svc_realms;
GRANT SELECT, INSERT, UPDATE ON realms.backend TO svc_realms;
GRANT SELECT, INSERT, DELETE ON realms.provision_job TO svc_realms;
GRANT SELECT ON realms.provisioner TO svc_realms;

GRANT USAGE ON SCHEMA realms TO provisioner;
GRANT SELECT, UPDATE (state) ON realms.project_database TO provisioner;
GRANT SELECT, UPDATE (state, login_name, next_login_name, old_login_name, epoch, rotated_at) ON realms.backend TO provisioner;
GRANT SELECT, DELETE, UPDATE (is_begun, attempts, due_at, done_at, error, certificate, ends_at) ON realms.provision_job TO provisioner;
GRANT SELECT, INSERT, UPDATE ON realms.provisioner TO provisioner;
