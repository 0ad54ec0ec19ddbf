-- Recordings of terminal visits: which a project asks for, and who reads them.

INSERT INTO audit.action (tag, service) VALUES
    ('tunnel_recording.chosen', 'svc_tunnels'),
    ('tunnel_recording.fetched', 'svc_tunnels')
ON CONFLICT DO NOTHING;
