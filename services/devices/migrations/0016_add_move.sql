-- A device that was moved, or has come back from it: the revision that auth is still to be told of; NULL: it knows.
ALTER TABLE devices.device ADD COLUMN IF NOT EXISTS untold_move bigint;
CREATE INDEX IF NOT EXISTS device_untold_move ON devices.device (device_key) WHERE untold_move IS NOT NULL;
