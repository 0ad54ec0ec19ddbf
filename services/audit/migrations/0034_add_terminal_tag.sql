-- Terminals on devices.

INSERT INTO audit.action (tag, service) VALUES
    ('device_terminal.used', 'svc_devices')
ON CONFLICT DO NOTHING;
