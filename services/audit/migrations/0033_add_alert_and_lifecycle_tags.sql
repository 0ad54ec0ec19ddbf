-- What people set of alerts, that they know of one; devices that are moved.

INSERT INTO audit.action (tag, service) VALUES
    ('alert.acknowledged', 'svc_devices'),
    ('alert_channel.created', 'svc_devices'),
    ('alert_channel.deleted', 'svc_devices'),
    ('alert_channel.tested', 'svc_devices'),
    ('alert_rule.set', 'svc_devices'),
    ('device.decommissioned', 'svc_devices'),
    ('device.moved', 'svc_devices'),
    ('device.tagged', 'svc_devices'),
    ('device_credential.moved', 'svc_auth')
ON CONFLICT DO NOTHING;
