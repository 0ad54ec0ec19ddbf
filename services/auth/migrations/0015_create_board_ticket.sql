-- Tickets by which boards join data realms, and the sessions that they open; of a ticket its SHA-256 alone.
CREATE TABLE IF NOT EXISTS auth.board_ticket (
    session_id   text PRIMARY KEY,
    ticket_hash  bytea       NOT NULL UNIQUE,
    account_key  bigint      NOT NULL REFERENCES auth.account (account_key) ON DELETE CASCADE,
    credential   text        NOT NULL,
    realm        text        NOT NULL,
    role         text        NOT NULL CHECK (role IN ('board_reader', 'board_writer')),
    board_key    bigint      NOT NULL,
    issued_at    timestamptz NOT NULL DEFAULT now(),
    usable_until timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    taken_at     timestamptz,
    ended_at     timestamptz
);
CREATE INDEX IF NOT EXISTS board_ticket_by_account ON auth.board_ticket (account_key);
CREATE INDEX IF NOT EXISTS board_ticket_by_end ON auth.board_ticket (ends_at);
CREATE INDEX IF NOT EXISTS board_ticket_by_ended_at ON auth.board_ticket (ended_at) WHERE ended_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.board_ticket TO svc_auth;
