-- How containers of old SDKs are let in, and until when (decision 16); past its end, and without one, it is strict.

ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS legacy_mode text NOT NULL DEFAULT 'strict'
    CHECK (legacy_mode IN ('strict', 'own_realm_only', 'dual'));
ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS legacy_until timestamptz;
