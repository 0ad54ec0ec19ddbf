-- Rollouts: one change for many devices, in waves; each device has one turn.

CREATE TABLE IF NOT EXISTS devices.rollout (
    rollout_key    bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key    bigint      NOT NULL REFERENCES devices.project (project_key),
    aim            jsonb       NOT NULL,
    meant          jsonb       NOT NULL,
    pace           jsonb       NOT NULL,
    app_key        bigint,
    stage          text CHECK (stage IN ('DEV', 'PROD')),
    account_key    bigint      NOT NULL,
    credential     text,
    state          text        NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'paused', 'stopped', 'aborting', 'aborted', 'done')),
    wave           integer     NOT NULL DEFAULT 1,
    waves          integer     NOT NULL,
    wave_ended_at  timestamptz,
    reason         text,
    by_account_key bigint,
    -- Which process has it go on, until when nobody else does.
    driver         uuid,
    driven_until   timestamptz NOT NULL DEFAULT '-infinity',
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at       timestamptz,
    -- Counts the changes of the rollout and of its turns: whoever watches asks for what came after.
    revision       bigint      NOT NULL DEFAULT 1,
    CONSTRAINT ended_at_an_end CHECK ((ended_at IS NOT NULL) = (state IN ('aborted', 'done'))),
    CONSTRAINT aborting_by_somebody CHECK (state <> 'aborting' OR by_account_key IS NOT NULL)
);
CREATE INDEX IF NOT EXISTS rollout_by_project ON devices.rollout (project_key, rollout_key);
CREATE INDEX IF NOT EXISTS rollout_under_way ON devices.rollout (rollout_key) WHERE ended_at IS NULL;

-- A device that is gone, or elsewhere, keeps its turn here: what became of it is told all the same.
CREATE TABLE IF NOT EXISTS devices.rollout_turn (
    rollout_key   bigint  NOT NULL REFERENCES devices.rollout (rollout_key) ON DELETE CASCADE,
    device_key    bigint  NOT NULL,
    wave          integer NOT NULL,
    state         text    NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'ordered', 'done', 'failed', 'skipped', 'rolled_back')),
    reason        text,
    ordered_at    timestamptz,
    ended_at      timestamptz,
    wish_revision bigint,
    before        jsonb   NOT NULL DEFAULT '{}',
    is_forgiven   boolean NOT NULL DEFAULT false,
    revision      bigint  NOT NULL DEFAULT 1,
    PRIMARY KEY (rollout_key, device_key),
    CONSTRAINT ordered_at_a_time CHECK (state IN ('waiting', 'skipped') OR ordered_at IS NOT NULL)
);
CREATE INDEX IF NOT EXISTS turn_by_state ON devices.rollout_turn (rollout_key, state, wave, device_key);
CREATE INDEX IF NOT EXISTS turn_by_change ON devices.rollout_turn (rollout_key, revision);
CREATE INDEX IF NOT EXISTS turn_to_come ON devices.rollout_turn (device_key) WHERE state IN ('waiting', 'ordered');

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.rollout, devices.rollout_turn TO svc_devices;
