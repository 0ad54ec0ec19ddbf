-- Where projects live, and how they get there.

INSERT INTO audit.action (tag, service) VALUES
    ('backend.placed', 'provisioner'),
    ('backend.vacated', 'provisioner'),
    ('cluster.added', 'svc_realms'),
    ('cluster.changed', 'svc_realms'),
    ('project.move_abandoned', 'svc_realms'),
    ('project.move_asked', 'svc_realms'),
    ('project.moved', 'svc_realms')
ON CONFLICT DO NOTHING;
