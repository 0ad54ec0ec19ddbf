-- Rollouts, and the apps that groups of devices are to have.

INSERT INTO audit.action (tag, service) VALUES
    ('device_group.app_assigned', 'svc_devices'),
    ('device_group.app_unassigned', 'svc_devices'),
    ('rollout.aborted', 'svc_devices'),
    ('rollout.ended', 'svc_devices'),
    ('rollout.paused', 'svc_devices'),
    ('rollout.resumed', 'svc_devices'),
    ('rollout.started', 'svc_devices'),
    ('rollout.stopped', 'svc_devices')
ON CONFLICT DO NOTHING;
