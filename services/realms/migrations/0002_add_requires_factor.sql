-- Whether whoever works in the project must have a second factor.

ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS requires_factor boolean NOT NULL DEFAULT false;
