-- What people want of apps on devices.

INSERT INTO audit.action (tag, service) VALUES
    ('device_app.environment_changed', 'svc_devices'),
    ('device_app.ports_changed', 'svc_devices'),
    ('device_app.release_changed', 'svc_devices'),
    ('device_app.target_changed', 'svc_devices'),
    ('device_apps.confirmed', 'svc_devices')
ON CONFLICT DO NOTHING;
