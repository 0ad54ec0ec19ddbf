-- Sign-ins that came by other providers: what must go on being true there while the sessions from them last; links that
-- wait for their person; logout tokens that were taken.

CREATE TABLE IF NOT EXISTS auth.upstream_session (
    upstream_id   text PRIMARY KEY,
    provider      text        NOT NULL,
    subject       text        NOT NULL,
    sid           text,
    account_key   bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    sealed        bytea,
    created_at    timestamptz NOT NULL DEFAULT now(),
    counts_until  timestamptz NOT NULL,
    next_check_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS upstream_session_by_subject ON auth.upstream_session (provider, subject);
CREATE INDEX IF NOT EXISTS upstream_session_by_account ON auth.upstream_session (account_key);

CREATE TABLE IF NOT EXISTS auth.upstream_offer (
    offer_hash  bytea PRIMARY KEY,
    provider    text        NOT NULL,
    subject     text        NOT NULL,
    account_key bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    ends_at     timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS auth.upstream_logout (
    provider text        NOT NULL,
    jti_hash bytea       NOT NULL,
    ends_at  timestamptz NOT NULL,
    PRIMARY KEY (provider, jti_hash)
);

ALTER TABLE auth.upstream_request ADD COLUMN IF NOT EXISTS purpose text NOT NULL DEFAULT 'sign_in'
    CHECK (purpose IN ('sign_in', 'link', 'step_up'));
ALTER TABLE auth.upstream_request ADD COLUMN IF NOT EXISTS created_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE auth.session ADD COLUMN IF NOT EXISTS upstream_id text
    REFERENCES auth.upstream_session (upstream_id) ON DELETE SET NULL;
ALTER TABLE auth.sign_in ADD COLUMN IF NOT EXISTS upstream_id text
    REFERENCES auth.upstream_session (upstream_id) ON DELETE CASCADE;
ALTER TABLE auth.device_code ADD COLUMN IF NOT EXISTS upstream_id text
    REFERENCES auth.upstream_session (upstream_id) ON DELETE CASCADE;

CREATE INDEX IF NOT EXISTS session_by_upstream ON auth.session (upstream_id) WHERE upstream_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.upstream_session, auth.upstream_offer, auth.upstream_logout TO svc_auth;
