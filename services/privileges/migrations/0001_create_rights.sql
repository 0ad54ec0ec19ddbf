-- Who may do what: what there is, who owns it, who is in it, who was given what; every change of it; its place in the stream.

-- One row: the position of the newest change. Whoever changes something takes the next one last of all and holds the row
-- until the commit, so that positions have no gaps and become visible in their order.
CREATE TABLE IF NOT EXISTS privileges.stream (
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    position bigint  NOT NULL
);
INSERT INTO privileges.stream (position) VALUES (0) ON CONFLICT DO NOTHING;

-- What is held as a whole. The installation has no owner; names are copies, for people to read.
CREATE TABLE IF NOT EXISTS privileges.domain (
    kind              text    NOT NULL CHECK (kind IN ('project', 'app', 'installation')),
    key               bigint  NOT NULL,
    owner_account_key bigint,
    name              text    NOT NULL,
    name_canonical    text    NOT NULL,
    is_public         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (kind, key),
    CHECK ((kind = 'installation') = (owner_account_key IS NULL))
);
CREATE INDEX IF NOT EXISTS domain_by_owner ON privileges.domain (owner_account_key);
INSERT INTO privileges.domain (kind, key, name, name_canonical)
    VALUES ('installation', 1, 'installation', 'installation') ON CONFLICT DO NOTHING;

-- Everything that flags are given on, a domain itself included.
CREATE TABLE IF NOT EXISTS privileges.asset (
    kind        text     NOT NULL,
    key         bigint   NOT NULL,
    domain_kind text     NOT NULL,
    domain_key  bigint   NOT NULL,
    revision    bigint   NOT NULL DEFAULT 0,
    groups      bigint[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (kind, key),
    FOREIGN KEY (domain_kind, domain_key) REFERENCES privileges.domain (kind, key) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS asset_by_domain ON privileges.asset (domain_kind, domain_key, kind, key);
CREATE INDEX IF NOT EXISTS asset_by_group ON privileges.asset USING gin (groups);
INSERT INTO privileges.asset (kind, key, domain_kind, domain_key)
    VALUES ('installation', 1, 'installation', 1) ON CONFLICT DO NOTHING;

-- What is gone stays known, so that a late word of it does not bring it back.
CREATE TABLE IF NOT EXISTS privileges.gone (
    kind     text   NOT NULL,
    key      bigint NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE IF NOT EXISTS privileges.member (
    project_key bigint      NOT NULL,
    account_key bigint      NOT NULL,
    since       timestamptz NOT NULL,
    domain_kind text        NOT NULL DEFAULT 'project' CHECK (domain_kind = 'project'),
    PRIMARY KEY (project_key, account_key),
    FOREIGN KEY (domain_kind, project_key) REFERENCES privileges.domain (kind, key) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS member_by_account ON privileges.member (account_key);

CREATE TABLE IF NOT EXISTS privileges.held_flag (
    grant_key   bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    account_key bigint      NOT NULL,
    kind        text        NOT NULL,
    asset_key   bigint      NOT NULL,
    flag        text        NOT NULL,
    domain_kind text        NOT NULL,
    domain_key  bigint      NOT NULL,
    ends_at     timestamptz,
    is_visit    boolean     NOT NULL,
    given_by    bigint,
    given_at    timestamptz NOT NULL,
    UNIQUE (kind, asset_key, account_key, flag),
    FOREIGN KEY (kind, asset_key) REFERENCES privileges.asset (kind, key) ON DELETE CASCADE,
    CHECK (NOT is_visit OR (ends_at IS NOT NULL AND flag <> 'GRANT'))
);
CREATE INDEX IF NOT EXISTS held_flag_by_account ON privileges.held_flag (account_key, domain_kind, domain_key);
CREATE INDEX IF NOT EXISTS held_flag_by_domain ON privileges.held_flag (domain_kind, domain_key, account_key);
CREATE INDEX IF NOT EXISTS held_flag_by_end ON privileges.held_flag (ends_at) WHERE ends_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS privileges.default_flag (
    project_key bigint NOT NULL,
    kind        text   NOT NULL,
    flag        text   NOT NULL,
    ends_at     timestamptz,
    domain_kind text   NOT NULL DEFAULT 'project' CHECK (domain_kind = 'project'),
    PRIMARY KEY (project_key, kind, flag),
    FOREIGN KEY (domain_kind, project_key) REFERENCES privileges.domain (kind, key) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS privileges.invitation (
    invitation_key bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key    bigint      NOT NULL,
    account_key    bigint      NOT NULL,
    invited_by     bigint      NOT NULL,
    reason         text        NOT NULL,
    created_at     timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    domain_kind    text        NOT NULL DEFAULT 'project' CHECK (domain_kind = 'project'),
    UNIQUE (project_key, account_key),
    FOREIGN KEY (domain_kind, project_key) REFERENCES privileges.domain (kind, key) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS invitation_by_account ON privileges.invitation (account_key);

-- `accepted_at`: the new owner has accepted, and realms is being told; from then on nobody withdraws it.
CREATE TABLE IF NOT EXISTS privileges.transfer (
    project_key      bigint PRIMARY KEY,
    from_account_key bigint      NOT NULL,
    to_account_key   bigint      NOT NULL,
    offered_at       timestamptz NOT NULL,
    ends_at          timestamptz NOT NULL,
    accepted_at      timestamptz,
    domain_kind      text        NOT NULL DEFAULT 'project' CHECK (domain_kind = 'project'),
    FOREIGN KEY (domain_kind, project_key) REFERENCES privileges.domain (kind, key) ON DELETE CASCADE
);

-- `is_operators`: set by the right on the installation, so that nobody without it ends it.
CREATE TABLE IF NOT EXISTS privileges.lock (
    lock_key     bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('person', 'device', 'api_key', 'project')),
    key          text        NOT NULL,
    ends_at      timestamptz,
    reason       text        NOT NULL,
    is_operators boolean     NOT NULL,
    created_by   bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    UNIQUE (kind, key)
);

-- The history: one line for each fact that began or ended, in the order of the changes. Nobody changes or deletes a line.
CREATE TABLE IF NOT EXISTS privileges.change (
    change_key     bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    at             timestamptz NOT NULL,
    position       bigint      NOT NULL,
    what           text        NOT NULL,
    is_on          boolean     NOT NULL,
    domain_kind    text        NOT NULL,
    domain_key     bigint      NOT NULL,
    account_key    bigint,
    kind           text,
    asset_key      bigint,
    flag           text,
    grant_key      bigint,
    ends_at        timestamptz,
    is_visit       boolean     NOT NULL DEFAULT false,
    groups         bigint[]    NOT NULL DEFAULT '{}',
    by_account_key bigint,
    reason         text        NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS change_by_domain ON privileges.change (domain_kind, domain_key, change_key);
CREATE INDEX IF NOT EXISTS change_of_person ON privileges.change (domain_kind, domain_key, account_key, change_key);
CREATE INDEX IF NOT EXISTS change_by_asset ON privileges.change (kind, asset_key, change_key);
CREATE INDEX IF NOT EXISTS change_by_account ON privileges.change (account_key, change_key);

GRANT USAGE ON SCHEMA privileges TO svc_privileges;
GRANT SELECT, UPDATE ON privileges.stream TO svc_privileges;
GRANT SELECT, INSERT, UPDATE, DELETE ON privileges.domain, privileges.asset, privileges.member, privileges.held_flag,
    privileges.default_flag, privileges.invitation, privileges.transfer, privileges.lock TO svc_privileges;
GRANT SELECT, INSERT ON privileges.change, privileges.gone TO svc_privileges;
