-- Groups of devices, and devices that go to another project.

INSERT INTO audit.action (tag, service) VALUES
    ('device.claimable_set', 'svc_devices'),
    ('device.claimed', 'svc_devices'),
    ('device_group.created', 'svc_devices'),
    ('device_group.deleted', 'svc_devices'),
    ('device_group.device_added', 'svc_devices'),
    ('device_group.device_removed', 'svc_devices'),
    ('device_group.renamed', 'svc_devices')
ON CONFLICT DO NOTHING;
