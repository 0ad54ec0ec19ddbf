-- A device that tells of another machine, system or release of its agent is recorded too.

INSERT INTO audit.action (tag, service) VALUES ('device.architecture_changed', 'svc_devices') ON CONFLICT DO NOTHING;
