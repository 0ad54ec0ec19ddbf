-- Releases that were wanted before the one that is: an agent that is late may still speak of one of them.

ALTER TABLE devices.device_app ADD COLUMN IF NOT EXISTS wanted_before jsonb NOT NULL DEFAULT '[]';
