-- When an account was disabled: whatever it has open on the bus is ended from this, as after an erasure.

ALTER TABLE auth.account ADD COLUMN IF NOT EXISTS disabled_at timestamptz;
