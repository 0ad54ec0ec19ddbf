-- Messages to people wait here until they are delivered; the row goes then. Recipient and text are sealed: links open things.

CREATE TABLE IF NOT EXISTS auth.message (
    message_id      uuid PRIMARY KEY,
    account_key     bigint      REFERENCES auth.account (account_key) ON DELETE CASCADE,
    sealed          bytea       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer     NOT NULL DEFAULT 0,
    failure         text
);

CREATE INDEX IF NOT EXISTS message_by_next_attempt ON auth.message (next_attempt_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.message TO svc_auth;
