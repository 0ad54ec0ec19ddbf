-- A link in a message: opens once, for one purpose, until its end. `address` is what a change of address would set.

CREATE TABLE IF NOT EXISTS auth.link (
    link_hash   bytea PRIMARY KEY,
    purpose     text        NOT NULL
        CHECK (purpose IN ('invitation', 'verification', 'reset', 'setup', 'old_address', 'new_address')),
    account_key bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    address     text,
    created_by  bigint      REFERENCES auth.account (account_key) ON DELETE SET NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz NOT NULL,
    used_at     timestamptz
);

CREATE INDEX IF NOT EXISTS link_by_account ON auth.link (account_key, purpose);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.link TO svc_auth;
