-- Keys of what comes with a project: rows of its apps name devices.

INSERT INTO new_key SELECT 'device', (content ->> 'device_key')::bigint,
        nextval(pg_get_serial_sequence('devices.device', 'device_key'))
    FROM carried WHERE part = 'devices.device';
INSERT INTO new_key SELECT 'group', (content ->> 'group_key')::bigint,
        nextval(pg_get_serial_sequence('devices.device_group', 'group_key'))
    FROM carried WHERE part = 'devices.device_group';
