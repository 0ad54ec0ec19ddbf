-- Whether a project asks a second factor of whoever works in it.

INSERT INTO audit.action (tag, service) VALUES ('project.factor_requirement_changed', 'svc_realms') ON CONFLICT DO NOTHING;
