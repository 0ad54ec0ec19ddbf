-- Data backends whose rows people have had deleted: what comes after one is another, with other names.

ALTER TABLE realms.backend DROP CONSTRAINT IF EXISTS backend_state_check;
ALTER TABLE realms.backend ADD CONSTRAINT backend_state_check CHECK (state IN ('wanted', 'ready', 'closed', 'dropped'));
ALTER TABLE realms.backend DROP CONSTRAINT IF EXISTS backend_project_key_app_key_stage_key;
CREATE UNIQUE INDEX IF NOT EXISTS backend_of_app ON realms.backend (project_key, app_key, stage) WHERE state <> 'dropped';
ALTER TABLE realms.provision_job DROP CONSTRAINT IF EXISTS provision_job_kind_check;
ALTER TABLE realms.provision_job ADD CONSTRAINT provision_job_kind_check
    CHECK (kind IN ('make', 'close', 'certify', 'rotate', 'retire', 'admit', 'drop'));
