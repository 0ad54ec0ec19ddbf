-- Data keys, accounts, API keys, device credentials and the keys that sign assertions.

CREATE TABLE IF NOT EXISTS auth.data_key (
    key_id        text PRIMARY KEY,
    master_key_id text        NOT NULL,
    wrapped       bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS auth.account (
    account_key     bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    login_name      text        NOT NULL,
    login_canonical text        NOT NULL UNIQUE,
    state           text        NOT NULL CHECK (state IN ('active', 'disabled')),
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- One key a person: what is personal inside audit entries is sealed under it, and gone when it is gone.
CREATE TABLE IF NOT EXISTS auth.person_key (
    account_key bigint PRIMARY KEY REFERENCES auth.account (account_key) ON DELETE CASCADE,
    sealed      bytea NOT NULL
);

CREATE TABLE IF NOT EXISTS auth.api_key (
    key_id       text PRIMARY KEY,
    account_key  bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    name         text        NOT NULL,
    key_hash     bytea       NOT NULL,
    scopes       text[]      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    ends_at      timestamptz NOT NULL,
    ended_at     timestamptz,
    last_used_at timestamptz
);

CREATE INDEX IF NOT EXISTS api_key_by_account ON auth.api_key (account_key);

-- Secret, credential key and tunnel proof change together (decision 4); an ended row stays, so that a decommissioned
-- device that proves its last secret can be told so (decision 11).
CREATE TABLE IF NOT EXISTS auth.device_credential (
    device_key          bigint PRIMARY KEY,
    project_key         bigint      NOT NULL,
    serial_number       uuid        NOT NULL UNIQUE,
    state               text        NOT NULL CHECK (state IN ('active', 'ended')),
    flash_id            uuid        NOT NULL,
    secret              bytea       NOT NULL,
    app_cred_key        bytea       NOT NULL,
    tunnel_proof_digest bytea       NOT NULL UNIQUE,
    issued_at           timestamptz NOT NULL DEFAULT now(),
    ended_at            timestamptz
);

CREATE TABLE IF NOT EXISTS auth.assertion_key (
    key_id     text PRIMARY KEY,
    public_jwk jsonb       NOT NULL,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

GRANT USAGE ON SCHEMA auth TO svc_auth;
GRANT SELECT, INSERT, UPDATE ON auth.data_key, auth.account, auth.api_key, auth.device_credential, auth.assertion_key,
    auth.person_key TO svc_auth;
GRANT DELETE ON auth.person_key, auth.assertion_key, auth.data_key TO svc_auth;
