-- Tunnels to what devices offer: which there are, who may come, who came.

INSERT INTO audit.action (tag, service) VALUES
    ('tunnel.closed', 'svc_tunnels'),
    ('tunnel.declared', 'svc_tunnels'),
    ('tunnel.impersonated', 'svc_tunnels'),
    ('tunnel.port_allotted', 'svc_tunnels'),
    ('tunnel.published', 'svc_tunnels'),
    ('tunnel.unpublished', 'svc_tunnels'),
    ('tunnel.withdrawn', 'svc_tunnels'),
    ('tunnel_ticket.issued', 'svc_tunnels'),
    ('tunnel_visit.begun', 'svc_tunnels'),
    ('tunnel_visit.ended', 'svc_tunnels')
ON CONFLICT DO NOTHING;

GRANT USAGE ON SCHEMA audit TO svc_tunnels;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)
    TO svc_tunnels;
