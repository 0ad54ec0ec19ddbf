-- Second factors. A TOTP secret that waits for its first code stands beside the one in use.

CREATE TABLE IF NOT EXISTS auth.totp (
    account_key    bigint PRIMARY KEY REFERENCES auth.account (account_key) ON DELETE CASCADE,
    sealed         bytea,
    confirmed_at   timestamptz,
    last_step      bigint NOT NULL DEFAULT 0,
    pending_sealed bytea,
    pending_until  timestamptz
);

CREATE TABLE IF NOT EXISTS auth.recovery_code (
    account_key bigint NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    code_hash   bytea  NOT NULL,
    used_at     timestamptz,
    PRIMARY KEY (account_key, code_hash)
);

CREATE TABLE IF NOT EXISTS auth.passkey (
    credential_id bytea PRIMARY KEY,
    account_key   bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    public_key    bytea       NOT NULL,
    sign_count    bigint      NOT NULL,
    name          text        NOT NULL,
    transports    text[]      NOT NULL,
    is_backed_up  boolean     NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz
);

CREATE INDEX IF NOT EXISTS passkey_by_account ON auth.passkey (account_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.totp, auth.recovery_code, auth.passkey TO svc_auth;
