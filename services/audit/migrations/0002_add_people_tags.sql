-- Erasing a person, and a device that tells of another machine, are recorded too.

INSERT INTO audit.action (tag, service) VALUES
    ('account.erased', 'svc_auth'),
    ('device.architecture_changed', 'svc_devices')
ON CONFLICT DO NOTHING;
