-- Boards, and who opens them.

INSERT INTO audit.action (tag, service) VALUES
    ('board.changed', 'svc_realms'),
    ('board.closed', 'svc_realms'),
    ('board.created', 'svc_realms'),
    ('board.deleted', 'svc_realms'),
    ('board.opened', 'svc_realms')
ON CONFLICT DO NOTHING;
