-- Rows of devices that are out of service, deleted as was wished.

INSERT INTO audit.action (tag, service) VALUES
    ('device_data.deleted', 'svc_devices')
ON CONFLICT DO NOTHING;
