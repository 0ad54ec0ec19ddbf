-- Who reads data backends by SQL, and what they ask.

INSERT INTO audit.action (tag, service) VALUES
    ('sql.asked', 'svc_fleetdb'),
    ('sql.closed', 'svc_fleetdb'),
    ('sql.opened', 'svc_fleetdb')
ON CONFLICT DO NOTHING;
