-- Web visitors: the public keys by which devices verify who comes, and browsers that are signed in.

-- Private halves stay in the processes that made them.
CREATE TABLE IF NOT EXISTS tunnels.identity_key (
    kid     text PRIMARY KEY,
    public  jsonb       NOT NULL,
    ends_at timestamptz NOT NULL
);

-- Of a browser's cookie there is its SHA-256 alone; it opens one tunnel, and lives from the sign-in of `credential`.
CREATE TABLE IF NOT EXISTS tunnels.browser (
    digest      bytea PRIMARY KEY,
    label       text        NOT NULL,
    account_key bigint      NOT NULL,
    credential  text        NOT NULL,
    scopes      text[]      NOT NULL,
    ends_at     timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS browser_by_end ON tunnels.browser (ends_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON tunnels.identity_key, tunnels.browser TO svc_tunnels;
