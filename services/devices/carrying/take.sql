-- Devices come in as they are before they are flashed: with no secret, since two installations that know one could both speak to
-- the device. A serial number stays where nobody here has it or had it. What each is to have of apps is told once it is flashed.

INSERT INTO devices.project (project_key, name, owner_account_key, owner_name)
    SELECT p.new, i.name, i.owner_account_key, i.owner_name FROM importing i, new_key p WHERE p.kind = 'project';
INSERT INTO devices.device (device_key, project_key, name, name_canonical, description, serial_number, state, created_at,
        architecture, os) OVERRIDING SYSTEM VALUE
    SELECT k.new, p.new, d.name, d.name_canonical, d.description,
        CASE WHEN EXISTS (SELECT FROM devices.device o WHERE o.serial_number = d.serial_number)
            OR EXISTS (SELECT FROM auth.device_credential o WHERE o.serial_number = d.serial_number)
            THEN gen_random_uuid() ELSE d.serial_number END,
        'registered', d.created_at, d.architecture, d.os
    FROM new_key p, carried c, jsonb_populate_record(NULL::devices.device, c.content) d
    JOIN new_key k ON k.kind = 'device' AND k.old = d.device_key WHERE c.part = 'devices.device' AND p.kind = 'project';
INSERT INTO devices.app_list (device_key, committed_at) SELECT k.new, NULL FROM new_key k
    WHERE k.kind = 'device' AND EXISTS (SELECT FROM devices.device d WHERE d.device_key = k.new);
INSERT INTO devices.device_group (group_key, project_key, name, name_canonical, description) OVERRIDING SYSTEM VALUE
    SELECT k.new, p.new, g.name, g.name_canonical, g.description
    FROM new_key p, carried c, jsonb_populate_record(NULL::devices.device_group, c.content) g
    JOIN new_key k ON k.kind = 'group' AND k.old = g.group_key WHERE c.part = 'devices.device_group' AND p.kind = 'project';
INSERT INTO devices.group_member (group_key, device_key, project_key)
    SELECT g.new, d.new, p.new FROM new_key p, carried c, jsonb_populate_record(NULL::devices.group_member, c.content) m
    JOIN new_key g ON g.kind = 'group' AND g.old = m.group_key JOIN new_key d ON d.kind = 'device' AND d.old = m.device_key
    JOIN devices.device n ON n.device_key = d.new WHERE c.part = 'devices.group_member' AND p.kind = 'project';
INSERT INTO devices.device_tag (device_key, name, value)
    SELECT d.new, t.name, t.value FROM carried c, jsonb_populate_record(NULL::devices.device_tag, c.content) t
    JOIN new_key d ON d.kind = 'device' AND d.old = t.device_key JOIN devices.device n ON n.device_key = d.new
    WHERE c.part = 'devices.device_tag';
INSERT INTO devices.device_app (device_key, project_key, app_key, stage, app_name, target, release_key, version,
        requestor_account_key, environment, ports)
    SELECT d.new, p.new, a.new, x.stage, x.app_name, x.target, r.new, x.version, i.owner_account_key, x.environment, x.ports
    FROM importing i, new_key p, carried c, jsonb_populate_record(NULL::devices.device_app, c.content) x
    JOIN new_key d ON d.kind = 'device' AND d.old = x.device_key JOIN new_key a ON a.kind = 'app' AND a.old = x.app_key
    JOIN new_key r ON r.kind = 'release' AND r.old = x.release_key JOIN devices.device n ON n.device_key = d.new
    WHERE c.part = 'devices.device_app' AND p.kind = 'project';
INSERT INTO devices.app_order (device_key, app_key, stage) SELECT x.device_key, x.app_key, x.stage
    FROM devices.device_app x JOIN new_key p ON p.kind = 'project' AND p.new = x.project_key;
-- Somebody has said there what is to be on them.
UPDATE devices.app_list l SET account_key = i.owner_account_key, committed_at = clock_timestamp()
    FROM importing i, devices.device_app x JOIN new_key p ON p.kind = 'project' AND p.new = x.project_key
    WHERE l.device_key = x.device_key;
INSERT INTO devices.alert_rule (project_key, kind, is_on, severity, after_s)
    SELECT p.new, r.kind, r.is_on, r.severity, r.after_s
    FROM new_key p, carried c, jsonb_populate_record(NULL::devices.alert_rule, c.content) r
    WHERE c.part = 'devices.alert_rule' AND p.kind = 'project';

INSERT INTO devices.outbox (kind, asset_key, project_key, revision, creator_account_key)
    SELECT 'group', g.group_key, g.project_key, g.revision, i.owner_account_key
    FROM importing i, devices.device_group g JOIN new_key p ON p.kind = 'project' AND p.new = g.project_key;
INSERT INTO devices.outbox (kind, asset_key, project_key, revision, creator_account_key, groups)
    SELECT 'device', d.device_key, d.project_key, d.revision, i.owner_account_key,
        ARRAY (SELECT m.group_key FROM devices.group_member m WHERE m.device_key = d.device_key ORDER BY 1)
    FROM importing i, devices.device d JOIN new_key p ON p.kind = 'project' AND p.new = d.project_key;
