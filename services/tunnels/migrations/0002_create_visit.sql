-- Visits to what devices offer, and tickets that open one.

-- The address of who visits without an account; a person's stands in the audit log, sealed for them. Ended ones are kept for a while.
CREATE TABLE IF NOT EXISTS tunnels.visit (
    visit_key       bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    tunnel_key      bigint      NOT NULL,
    device_key      bigint      NOT NULL,
    project_key     bigint      NOT NULL,
    app             text        NOT NULL,
    port            integer     NOT NULL,
    protocol        text        NOT NULL,
    account_key     bigint,
    credential      text,
    address         text,
    began_at        timestamptz NOT NULL DEFAULT now(),
    hard_end        timestamptz NOT NULL,
    ended_at        timestamptz,
    cause           text,
    octets_to       bigint,
    octets_from     bigint
);
CREATE INDEX IF NOT EXISTS visit_by_device ON tunnels.visit (device_key, visit_key);
CREATE INDEX IF NOT EXISTS visit_by_project ON tunnels.visit (project_key, visit_key);
CREATE INDEX IF NOT EXISTS visit_open ON tunnels.visit (visit_key) WHERE ended_at IS NULL;

-- Of a ticket there is its SHA-256 alone. A used one opens nothing, whatever became of its visit.
CREATE TABLE IF NOT EXISTS tunnels.ticket (
    digest        bytea PRIMARY KEY,
    tunnel_key    bigint      NOT NULL REFERENCES tunnels.tunnel (tunnel_key) ON DELETE CASCADE,
    account_key   bigint      NOT NULL,
    credential    text        NOT NULL,
    scopes        text[]      NOT NULL,
    usable_until  timestamptz NOT NULL,
    visit_ends_at timestamptz NOT NULL,
    used_at       timestamptz
);
CREATE INDEX IF NOT EXISTS ticket_by_end ON tunnels.ticket (usable_until);

GRANT SELECT, INSERT, UPDATE, DELETE ON tunnels.visit, tunnels.ticket TO svc_tunnels;
