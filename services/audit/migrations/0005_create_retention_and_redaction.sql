-- How long a project's entries are kept, and which entries have been taken out of the log for good.

CREATE TABLE IF NOT EXISTS audit.retention (
    project bigint  PRIMARY KEY,
    days    integer CHECK (days BETWEEN 1 AND 36500)
);

-- The tombstone: what an entry's place in a project's export tells once entry and salt are gone.
CREATE TABLE IF NOT EXISTS audit.redaction (
    leaf_index  bigint PRIMARY KEY REFERENCES audit.leaf (leaf_index),
    cause       text        NOT NULL CHECK (cause IN ('retention', 'erasure')),
    project     bigint,
    redacted_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS redaction_project ON audit.redaction (project, leaf_index);

REVOKE ALL ON TABLE audit.retention, audit.redaction FROM PUBLIC;
GRANT SELECT ON audit.retention, audit.redaction TO svc_audit;
