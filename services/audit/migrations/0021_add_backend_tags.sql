-- Data backends: databases, schemas and logins, which no transaction of the control database can hold (decision 25). Who makes them is
-- a process of realms with a login of its own.

INSERT INTO audit.action (tag, service) VALUES
    ('backend.closed', 'provisioner'),
    ('backend.provisioned', 'provisioner'),
    ('backend.rotated', 'provisioner'),
    ('backend.rotation_asked', 'svc_realms')
ON CONFLICT DO NOTHING;

GRANT USAGE ON SCHEMA audit TO provisioner;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text) TO provisioner;
