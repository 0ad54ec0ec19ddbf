-- How long rows of data backends are kept, and the end of backends and apps.

INSERT INTO audit.action (tag, service) VALUES
    ('app.deleted', 'svc_realms'),
    ('backend.drop_asked', 'svc_realms'),
    ('backend.dropped', 'provisioner'),
    ('backend.retention_changed', 'svc_realms'),
    ('data.exported', 'svc_fleetdb')
ON CONFLICT DO NOTHING;
