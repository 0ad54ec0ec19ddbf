-- What people have devices do, and what they read of their logs.

INSERT INTO audit.action (tag, service) VALUES
    ('device.operated', 'svc_devices'),
    ('device_logs.read', 'svc_devices')
ON CONFLICT DO NOTHING;
