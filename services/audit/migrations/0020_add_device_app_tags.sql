-- Apps on devices, and the credentials by which they join the realms of their projects.

INSERT INTO audit.action (tag, service) VALUES
    ('app_credential.rotated', 'svc_auth'),
    ('app_environment.read', 'svc_devices'),
    ('device_app.installed', 'svc_devices'),
    ('device_app.uninstalled', 'svc_devices')
ON CONFLICT DO NOTHING;
