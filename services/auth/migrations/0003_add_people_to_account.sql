-- What a person signs in with first. The login name of a person is their e-mail address; a service account has a name and an owner.

ALTER TABLE auth.account
    DROP CONSTRAINT IF EXISTS account_state_check,
    ADD CONSTRAINT account_state_check CHECK (state IN ('pending', 'active', 'disabled')),
    ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service')),
    ADD COLUMN IF NOT EXISTS owner_key bigint REFERENCES auth.account (account_key),
    ADD COLUMN IF NOT EXISTS is_first_owner boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS display_name text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS locale text NOT NULL DEFAULT 'en',
    ADD COLUMN IF NOT EXISTS user_handle uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    ADD COLUMN IF NOT EXISTS verified_at timestamptz,
    ADD COLUMN IF NOT EXISTS password_hash text,
    ADD COLUMN IF NOT EXISTS password_changed_at timestamptz,
    ADD COLUMN IF NOT EXISTS disabled_because text;

CREATE INDEX IF NOT EXISTS account_by_owner ON auth.account (owner_key) WHERE owner_key IS NOT NULL;

UPDATE auth.account SET is_first_owner = true
    WHERE account_key = (SELECT min(account_key) FROM auth.account)
    AND NOT EXISTS (SELECT FROM auth.account WHERE is_first_owner);
