-- Where a key was used last, and which key follows which.

ALTER TABLE auth.api_key
    ADD COLUMN IF NOT EXISTS created_by bigint REFERENCES auth.account (account_key) ON DELETE SET NULL,
    ADD COLUMN IF NOT EXISTS last_address text,
    ADD COLUMN IF NOT EXISTS rotated_from text REFERENCES auth.api_key (key_id) ON DELETE SET NULL,
    ADD COLUMN IF NOT EXISTS ended_because text;

CREATE INDEX IF NOT EXISTS api_key_by_ended_at ON auth.api_key (ended_at) WHERE ended_at IS NOT NULL;
