-- What operators do to the whole installation, recorded by the login that does it: backups, drills, restores.

INSERT INTO audit.action (tag, service) VALUES
    ('installation.backed_up', 'backup'),
    ('installation.drilled', 'backup'),
    ('installation.restored', 'postgres')
ON CONFLICT DO NOTHING;

GRANT USAGE ON SCHEMA audit TO backup;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text) TO backup;
