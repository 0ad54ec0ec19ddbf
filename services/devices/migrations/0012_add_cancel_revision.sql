-- With which wish something under way is to be given up: once that one was told, the next is told without it.

ALTER TABLE devices.app_order ADD COLUMN IF NOT EXISTS cancel_revision bigint NOT NULL DEFAULT 0;
