-- A deleted app stays as a key that backends name, whose rows are other people's; its name is free.

ALTER TABLE realms.app ADD COLUMN IF NOT EXISTS is_deleted boolean NOT NULL DEFAULT false;
ALTER TABLE realms.app DROP CONSTRAINT IF EXISTS app_name_in_the_installation;
CREATE UNIQUE INDEX IF NOT EXISTS app_name_in_the_installation ON realms.app (name_canonical) WHERE NOT is_deleted;
