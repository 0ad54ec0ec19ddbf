-- Projects that operators take away, and bring in.

INSERT INTO audit.action (tag, service) VALUES
    ('project.exported', 'postgres'),
    ('project.imported', 'postgres')
ON CONFLICT DO NOTHING;
