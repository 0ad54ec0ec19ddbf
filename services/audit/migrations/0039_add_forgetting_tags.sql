-- What is given up for good: database servers with what was on them, and projects that were never brought in whole.

INSERT INTO audit.action (tag, service) VALUES
    ('backend.lost', 'svc_realms'),
    ('cluster.forgotten', 'svc_realms'),
    ('person_keys.replaced', 'postgres'),
    ('project.import_forgotten', 'postgres')
ON CONFLICT DO NOTHING;
