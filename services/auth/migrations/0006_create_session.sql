-- Where people are signed in, sign-ins that are half done, and the counters that slow guessing down.

CREATE TABLE IF NOT EXISTS auth.session (
    session_id       text PRIMARY KEY,
    account_key      bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    kind             text        NOT NULL CHECK (kind IN ('browser', 'application')),
    cookie_hash      bytea UNIQUE,
    client_id        text,
    amr              text[]      NOT NULL,
    address          text        NOT NULL,
    user_agent       text        NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    authenticated_at timestamptz NOT NULL DEFAULT now(),
    factor_at        timestamptz,
    last_seen_at     timestamptz NOT NULL DEFAULT now(),
    last_address     text        NOT NULL,
    ends_at          timestamptz NOT NULL,
    ended_at         timestamptz,
    ended_because    text
);

CREATE INDEX IF NOT EXISTS session_by_account ON auth.session (account_key);
CREATE INDEX IF NOT EXISTS session_by_ended_at ON auth.session (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS auth.sign_in (
    sign_in_hash     bytea PRIMARY KEY,
    purpose          text        NOT NULL CHECK (purpose IN ('sign_in', 'step_up', 'enrolment')),
    account_key      bigint      REFERENCES auth.account (account_key) ON DELETE CASCADE,
    session_id       text        REFERENCES auth.session (session_id) ON DELETE CASCADE,
    password_at      timestamptz,
    challenge        bytea,
    failures         integer     NOT NULL DEFAULT 0,
    is_known_browser boolean     NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    ends_at          timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS sign_in_by_end ON auth.sign_in (ends_at);

-- A browser in which this person has signed in before: strangers' failures elsewhere do not slow it down.
CREATE TABLE IF NOT EXISTS auth.known_browser (
    browser_hash bytea       NOT NULL,
    account_key  bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (browser_hash, account_key)
);

CREATE TABLE IF NOT EXISTS auth.throttle (
    subject        bytea PRIMARY KEY,
    failures       integer     NOT NULL,
    last_failed_at timestamptz NOT NULL,
    blocked_until  timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.session, auth.sign_in, auth.known_browser, auth.throttle TO svc_auth;
