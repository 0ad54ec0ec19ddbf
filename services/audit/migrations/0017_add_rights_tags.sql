-- Who may do what, and who is locked out.

INSERT INTO audit.action (tag, service) VALUES
    ('flag.default_set', 'svc_privileges'),
    ('flag.default_unset', 'svc_privileges'),
    ('flag.given', 'svc_privileges'),
    ('flag.taken', 'svc_privileges'),
    ('lock.created', 'svc_privileges'),
    ('lock.ended', 'svc_privileges'),
    ('membership.accepted', 'svc_privileges'),
    ('membership.declined', 'svc_privileges'),
    ('membership.invited', 'svc_privileges'),
    ('membership.left', 'svc_privileges'),
    ('membership.removed', 'svc_privileges'),
    ('membership.withdrawn', 'svc_privileges'),
    ('ownership.offered', 'svc_privileges'),
    ('ownership.transferred', 'svc_privileges'),
    ('ownership.withdrawn', 'svc_privileges'),
    ('rights.erased', 'svc_privileges')
ON CONFLICT DO NOTHING;

GRANT USAGE ON SCHEMA audit TO svc_privileges;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)
    TO svc_privileges;
