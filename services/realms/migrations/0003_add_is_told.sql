-- Whether the privileges service knows of the project as it is now; those that it does not are told until it does.

ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS is_told boolean NOT NULL DEFAULT false;
CREATE INDEX IF NOT EXISTS project_untold ON realms.project (project_key) WHERE NOT is_told;
