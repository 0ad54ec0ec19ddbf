-- Projects that operators bring in from elsewhere, or out of a backup: how far each is, and which keys became which. No service has
-- a right on it: what is in the making is nobody's yet.

CREATE TABLE IF NOT EXISTS realms.project_import (
    import_id         text        PRIMARY KEY,
    project_key       bigint      NOT NULL,
    owner_account_key bigint      NOT NULL,
    name              text        NOT NULL,
    began_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at           timestamptz
);

-- A backend of kind `loaded` has its rows.
CREATE TABLE IF NOT EXISTS realms.import_key (
    import_id text   NOT NULL REFERENCES realms.project_import (import_id) ON DELETE CASCADE,
    kind      text   NOT NULL CHECK (kind IN ('project', 'app', 'release', 'backend', 'board', 'group', 'device', 'loaded')),
    old       bigint NOT NULL,
    new       bigint NOT NULL,
    PRIMARY KEY (import_id, kind, old)
);
