-- A device that may be claimed has the SHA-256 of its claim code; one that was claimed remembers from which project it
-- came until its new secrets are made, since whatever it has open is open under its old name.
ALTER TABLE devices.device ADD COLUMN IF NOT EXISTS claim_digest bytea CHECK (octet_length(claim_digest) = 32);
ALTER TABLE devices.device ADD COLUMN IF NOT EXISTS moved_from bigint;
CREATE UNIQUE INDEX IF NOT EXISTS device_by_claim ON devices.device (claim_digest) WHERE claim_digest IS NOT NULL;
