-- The log: entries in the order of integration, the leaves that commit to them, the tree's tiles, its signed heads.

CREATE TABLE IF NOT EXISTS audit.leaf (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
    commitment bytea  NOT NULL CHECK (octet_length(commitment) = 32)
);

-- A redacted entry has lost everything but its place (see audit.redaction); all others have all that is not null here.
CREATE TABLE IF NOT EXISTS audit.entry (
    leaf_index  bigint PRIMARY KEY,
    id          bigint NOT NULL UNIQUE,
    recorded_at timestamptz,
    service     name,
    action      text,
    aspect      text,
    actor       jsonb,
    asset       jsonb,
    project     bigint,
    before      jsonb,
    after       jsonb,
    reason      text,
    source      jsonb,
    outcome     text,
    salt        bytea CHECK (octet_length(salt) = 32)
);

CREATE INDEX IF NOT EXISTS entry_project ON audit.entry (project, leaf_index) WHERE project IS NOT NULL;
CREATE INDEX IF NOT EXISTS entry_asset ON audit.entry ((asset ->> 'kind'), (asset ->> 'key'), leaf_index);
CREATE INDEX IF NOT EXISTS entry_actor ON audit.entry ((actor ->> 'kind'), (actor ->> 'key'), leaf_index);

-- C2SP tlog-tiles: a tile's octets only ever grow, so that each partial tile is the beginning of its row.
CREATE TABLE IF NOT EXISTS audit.tile (
    level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index  bigint   NOT NULL CHECK (index >= 0),
    hashes bytea    NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    PRIMARY KEY (level, index)
);
ALTER TABLE audit.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS audit.checkpoint (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size         bigint      NOT NULL CHECK (size >= 0),
    root         bytea       NOT NULL CHECK (octet_length(root) = 32),
    note         text        NOT NULL CHECK (octet_length(note) <= 100000),
    published_at timestamptz NOT NULL
);

-- The lines by which witnesses vouch for a head; they are served behind the log's own signatures.
CREATE TABLE IF NOT EXISTS audit.cosignature (
    checkpoint bigint NOT NULL REFERENCES audit.checkpoint (number),
    line       text   NOT NULL CHECK (octet_length(line) <= 4096),
    PRIMARY KEY (checkpoint, line)
);

REVOKE ALL ON TABLE audit.leaf, audit.entry, audit.tile, audit.checkpoint, audit.cosignature FROM PUBLIC;
GRANT SELECT ON audit.leaf, audit.entry, audit.tile, audit.checkpoint, audit.cosignature TO svc_audit;
