-- The OpenID provider: clients, consent, codes, families of refresh tokens, devices that wait, keys. Codes and tokens are hashes.

CREATE TABLE IF NOT EXISTS auth.client (
    client_id                  text PRIMARY KEY,
    name                       text        NOT NULL,
    name_canonical             text        NOT NULL UNIQUE,
    secret_hash                bytea,
    is_first_party             boolean     NOT NULL,
    redirect_uris              text[]      NOT NULL,
    post_logout_redirect_uris  text[]      NOT NULL,
    backchannel_logout_uri     text,
    grant_types                text[]      NOT NULL,
    scopes                     text[]      NOT NULL,
    token_endpoint_auth_method text        NOT NULL,
    account_key                bigint      REFERENCES auth.account (account_key),
    created_at                 timestamptz NOT NULL DEFAULT now(),
    ended_at                   timestamptz
);

CREATE TABLE IF NOT EXISTS auth.consent (
    account_key bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    client_id   text        NOT NULL REFERENCES auth.client (client_id) ON DELETE CASCADE,
    scopes      text[]      NOT NULL,
    granted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_key, client_id)
);

CREATE TABLE IF NOT EXISTS auth.token_family (
    family_id     text PRIMARY KEY,
    session_id    text        NOT NULL REFERENCES auth.session (session_id) ON DELETE CASCADE,
    account_key   bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    client_id     text        NOT NULL REFERENCES auth.client (client_id) ON DELETE CASCADE,
    scopes        text[]      NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    ended_because text
);

CREATE INDEX IF NOT EXISTS token_family_by_session ON auth.token_family (session_id);
CREATE INDEX IF NOT EXISTS token_family_by_account ON auth.token_family (account_key);

CREATE TABLE IF NOT EXISTS auth.authorization_code (
    code_hash      bytea PRIMARY KEY,
    client_id      text        NOT NULL REFERENCES auth.client (client_id) ON DELETE CASCADE,
    session_id     text        NOT NULL REFERENCES auth.session (session_id) ON DELETE CASCADE,
    account_key    bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    redirect_uri   text        NOT NULL,
    scopes         text[]      NOT NULL,
    nonce          text,
    code_challenge text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    ends_at        timestamptz NOT NULL,
    used_at        timestamptz,
    family_id      text        REFERENCES auth.token_family (family_id) ON DELETE SET NULL
);

CREATE INDEX IF NOT EXISTS authorization_code_by_end ON auth.authorization_code (ends_at);

CREATE TABLE IF NOT EXISTS auth.refresh_token (
    token_hash bytea PRIMARY KEY,
    family_id  text        NOT NULL REFERENCES auth.token_family (family_id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL,
    spent_at   timestamptz
);

CREATE INDEX IF NOT EXISTS refresh_token_by_family ON auth.refresh_token (family_id);

CREATE TABLE IF NOT EXISTS auth.device_code (
    code_hash      bytea PRIMARY KEY,
    user_code      text        NOT NULL UNIQUE,
    client_id      text        NOT NULL REFERENCES auth.client (client_id) ON DELETE CASCADE,
    scopes         text[]      NOT NULL,
    address        text        NOT NULL,
    user_agent     text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    ends_at        timestamptz NOT NULL,
    last_polled_at timestamptz,
    interval_s     integer     NOT NULL,
    decision       text        CHECK (decision IN ('approved', 'refused')),
    account_key    bigint      REFERENCES auth.account (account_key) ON DELETE CASCADE,
    amr            text[],
    authenticated_at timestamptz,
    factor_at      timestamptz
);

CREATE TABLE IF NOT EXISTS auth.signing_key (
    key_id     text PRIMARY KEY,
    public_jwk jsonb       NOT NULL,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Clients that must still be told of a session's end (OpenID Connect Back-Channel Logout 1.0).
CREATE TABLE IF NOT EXISTS auth.logout_notice (
    session_id      text        NOT NULL REFERENCES auth.session (session_id) ON DELETE CASCADE,
    client_id       text        NOT NULL REFERENCES auth.client (client_id) ON DELETE CASCADE,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (session_id, client_id)
);

GRANT SELECT, INSERT, UPDATE ON auth.client TO svc_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.consent, auth.token_family, auth.authorization_code, auth.refresh_token, auth.device_code,
    auth.signing_key, auth.logout_notice TO svc_auth;
