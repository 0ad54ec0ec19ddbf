-- What apps read of other apps' data, and devices that call themselves another one where rows are written.

INSERT INTO audit.action (tag, service) VALUES
    ('data.impersonated', 'svc_fleetdb'),
    ('data.read', 'svc_fleetdb')
ON CONFLICT DO NOTHING;

GRANT USAGE ON SCHEMA audit TO svc_fleetdb;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)
    TO svc_fleetdb;
