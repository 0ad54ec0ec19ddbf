-- Apps, their releases, where they are installed, and whose data they may read there.

INSERT INTO audit.action (tag, service) VALUES
    ('app.created', 'svc_realms'),
    ('app.installed', 'svc_realms'),
    ('app.published', 'svc_realms'),
    ('app.release_changed', 'svc_realms'),
    ('app.renamed', 'svc_realms'),
    ('app.uninstalled', 'svc_realms'),
    ('app.unpublished', 'svc_realms'),
    ('app_access.granted', 'svc_realms'),
    ('app_access.requested', 'svc_realms'),
    ('app_access.revoked', 'svc_realms'),
    ('app_release.created', 'svc_realms'),
    ('project.legacy_mode_changed', 'svc_realms')
ON CONFLICT DO NOTHING;
