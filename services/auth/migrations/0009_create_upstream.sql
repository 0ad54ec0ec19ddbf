-- Sign-in with other OpenID providers: who somebody is there, and requests that are on their way.

CREATE TABLE IF NOT EXISTS auth.upstream_link (
    provider    text        NOT NULL,
    subject     text        NOT NULL,
    account_key bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, subject)
);

CREATE INDEX IF NOT EXISTS upstream_link_by_account ON auth.upstream_link (account_key);

CREATE TABLE IF NOT EXISTS auth.upstream_request (
    state_hash    bytea PRIMARY KEY,
    provider      text        NOT NULL,
    browser_hash  bytea       NOT NULL,
    nonce         text        NOT NULL,
    code_verifier text        NOT NULL,
    return_to     text        NOT NULL,
    session_id    text        REFERENCES auth.session (session_id) ON DELETE CASCADE,
    ends_at       timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.upstream_link, auth.upstream_request TO svc_auth;
