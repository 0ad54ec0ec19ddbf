-- The log's own service records too: who read it, and who said how long a project's entries are kept.

INSERT INTO audit.action (tag, service) VALUES
    ('account.erased', 'svc_auth'),
    ('audit_log.exported', 'svc_audit'),
    ('audit_log.read', 'svc_audit'),
    ('audit_retention.set', 'svc_audit')
ON CONFLICT DO NOTHING;

GRANT USAGE ON SCHEMA audit TO svc_audit;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text) TO svc_audit;
GRANT SELECT ON audit.action, audit.queue TO svc_audit;
