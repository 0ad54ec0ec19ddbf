-- Boards: what people look at data with, and the sessions by which they do (decision 19).

-- Names are unique in the project, in canonical form. One that is deleted stays, empty, until privileges knows that it is gone.
CREATE TABLE IF NOT EXISTS realms.board (
    board_key           bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key         bigint      NOT NULL REFERENCES realms.project (project_key),
    name                text        NOT NULL,
    name_canonical      text        NOT NULL,
    description         text        NOT NULL DEFAULT '',
    content             jsonb,
    revision            bigint      NOT NULL DEFAULT 1,
    creator_account_key bigint      NOT NULL,
    is_told             boolean     NOT NULL DEFAULT false,
    created_at          timestamptz NOT NULL DEFAULT now(),
    deleted_at          timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS board_name_in_the_project ON realms.board (project_key, name_canonical) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS board_untold ON realms.board (board_key) WHERE NOT is_told;

-- Sessions of boards that are open, or may still be opened by their ticket.
CREATE TABLE IF NOT EXISTS realms.board_session (
    session_id  text PRIMARY KEY,
    account_key bigint      NOT NULL,
    board_key   bigint      NOT NULL,
    backend_key bigint      NOT NULL REFERENCES realms.backend (backend_key),
    role        text        NOT NULL CHECK (role IN ('board_reader', 'board_writer')),
    opened_at   timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS board_session_by_account ON realms.board_session (account_key);
CREATE INDEX IF NOT EXISTS board_session_by_backend ON realms.board_session (backend_key);
CREATE INDEX IF NOT EXISTS board_session_by_end ON realms.board_session (ends_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON realms.board TO svc_realms;
GRANT SELECT, INSERT, DELETE ON realms.board_session TO svc_realms;
