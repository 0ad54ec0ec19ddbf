-- Apps that are offered to another owner. `accepted_at`: it is theirs, and realms, which shows it, is being told.

CREATE TABLE IF NOT EXISTS privileges.app_transfer (
    app_key          bigint PRIMARY KEY,
    from_account_key bigint      NOT NULL,
    to_account_key   bigint      NOT NULL,
    offered_at       timestamptz NOT NULL,
    ends_at          timestamptz NOT NULL,
    accepted_at      timestamptz,
    domain_kind      text        NOT NULL DEFAULT 'app' CHECK (domain_kind = 'app'),
    FOREIGN KEY (domain_kind, app_key) REFERENCES privileges.domain (kind, key) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS app_transfer_by_heir ON privileges.app_transfer (to_account_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON privileges.app_transfer TO svc_privileges;
