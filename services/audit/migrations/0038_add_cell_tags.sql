-- Which cells there are, and whether new projects come to them.

INSERT INTO audit.action (tag, service) VALUES
    ('cell.added', 'svc_realms'),
    ('cell.changed', 'svc_realms')
ON CONFLICT DO NOTHING;
