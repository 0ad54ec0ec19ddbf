-- Whether a project's tunnel clients have to come from where their agents do.

INSERT INTO audit.action (tag, service)
VALUES ('project.same_address_requirement_changed', 'svc_realms') ON CONFLICT DO NOTHING;
