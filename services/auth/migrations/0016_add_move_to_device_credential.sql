-- A device that was moved keeps its secret, and may come under its old name until it has come under its new one.
-- `move_revision` is that of the device's last change that was told: an older one that comes late changes nothing.
ALTER TABLE auth.device_credential
    ADD COLUMN IF NOT EXISTS moved_from    bigint,
    ADD COLUMN IF NOT EXISTS move_revision bigint NOT NULL DEFAULT 0;
