-- Tunnels are declared again, and open to nobody without an account.

INSERT INTO tunnels.tunnel (device_key, project_key, app, port, protocol, declared_by, is_of_ports)
    SELECT d.new, p.new, t.app, t.port, t.protocol, i.owner_account_key, coalesce(t.is_of_ports, false)
    FROM importing i, new_key p, carried c, jsonb_populate_record(NULL::tunnels.tunnel, c.content) t
    JOIN new_key d ON d.kind = 'device' AND d.old = t.device_key JOIN devices.device n ON n.device_key = d.new
    WHERE c.part = 'tunnels.tunnel' AND p.kind = 'project';
