-- What of devices goes with a project; no rollouts, no alerts, nobody who is told of them.

SELECT 'devices.device' AS part, to_jsonb(d) AS content FROM devices.device d
    WHERE d.project_key = %(project)s AND d.state <> 'deleting'
UNION ALL SELECT 'devices.device_group', to_jsonb(g) FROM devices.device_group g WHERE g.project_key = %(project)s
UNION ALL SELECT 'devices.group_member', to_jsonb(m) FROM devices.group_member m WHERE m.project_key = %(project)s
UNION ALL SELECT 'devices.device_tag', to_jsonb(t) FROM devices.device_tag t JOIN devices.device d USING (device_key)
    WHERE d.project_key = %(project)s
UNION ALL SELECT 'devices.device_app', to_jsonb(a) FROM devices.device_app a
    WHERE a.project_key = %(project)s AND a.target <> 'UNINSTALLED' AND a.release_key IS NOT NULL
UNION ALL SELECT 'devices.alert_rule', to_jsonb(r) FROM devices.alert_rule r WHERE r.project_key = %(project)s
UNION ALL SELECT 'review.app_of_group', jsonb_build_object('group', g.name, 'app', a.app_name, 'version', a.version)
    FROM devices.group_app a JOIN devices.device_group g USING (group_key) WHERE g.project_key = %(project)s
UNION ALL SELECT 'review.alert_channel', jsonb_build_object('name', c.name)
    FROM devices.alert_channel c WHERE c.project_key = %(project)s
