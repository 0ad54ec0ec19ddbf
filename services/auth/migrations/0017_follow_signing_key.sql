-- An operator may have the newest key followed by another one before its time is over.

ALTER TABLE auth.signing_key ADD COLUMN IF NOT EXISTS is_to_be_followed boolean NOT NULL DEFAULT false;
