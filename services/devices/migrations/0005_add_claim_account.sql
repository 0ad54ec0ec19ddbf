-- A claim code counts while whoever made it has the right to; codes from before, of whom nothing is known, end.
ALTER TABLE devices.device ADD COLUMN IF NOT EXISTS claim_account_key bigint;
UPDATE devices.device SET claim_digest = NULL WHERE claim_digest IS NOT NULL AND claim_account_key IS NULL;
