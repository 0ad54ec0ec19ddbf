-- The project is whole: what is installed, its boards; privileges is told of it now. What an app may read of another one's data
-- is asked for again, since it may have been taken back meanwhile.

INSERT INTO realms.install (project_key, app_key, stage, release_key)
    SELECT p.new, a.new, n.stage, r.new
    FROM new_key p, carried c, jsonb_populate_record(NULL::realms.install, c.content) n
    JOIN new_key a ON a.kind = 'app' AND a.old = n.app_key LEFT JOIN new_key r ON r.kind = 'release' AND r.old = n.release_key
    WHERE c.part = 'realms.install' AND p.kind = 'project';
INSERT INTO realms.app_access (project_key, app_key, provider, reason)
    SELECT p.new, a.new, x.provider, x.reason
    FROM new_key p, carried c, jsonb_populate_record(NULL::realms.app_access, c.content) x
    JOIN new_key a ON a.kind = 'app' AND a.old = x.app_key
    WHERE c.part = 'realms.app_access' AND p.kind = 'project';
INSERT INTO realms.retention (backend_key, table_name, keep_s)
    SELECT b.new, t.table_name, t.keep_s FROM carried c, jsonb_populate_record(NULL::realms.retention, c.content) t
    JOIN new_key b ON b.kind = 'backend' AND b.old = t.backend_key WHERE c.part = 'realms.retention';
INSERT INTO realms.board (board_key, project_key, name, name_canonical, description, content, creator_account_key)
        OVERRIDING SYSTEM VALUE
    SELECT k.new, p.new, o.name, o.name_canonical, o.description, o.content, i.owner_account_key
    FROM importing i, new_key p, carried c, jsonb_populate_record(NULL::realms.board, c.content) o
    JOIN new_key k ON k.kind = 'board' AND k.old = o.board_key WHERE c.part = 'realms.board' AND p.kind = 'project';

UPDATE realms.project SET is_told = false FROM new_key k WHERE k.kind = 'project' AND project_key = k.new;
UPDATE realms.app SET is_told = false FROM new_key k WHERE k.kind = 'app' AND app_key = k.new;
UPDATE realms.backend SET is_told = false FROM new_key k WHERE k.kind = 'backend' AND backend_key = k.new;
INSERT INTO realms.news (topic, content)
    SELECT 'ironflock.realms.install.changed', jsonb_build_object('project_key', n.project_key, 'app_key', n.app_key,
        'stage', n.stage, 'is_installed', true)
    FROM realms.install n JOIN new_key p ON p.kind = 'project' AND p.new = n.project_key;
INSERT INTO realms.news (topic, content)
    SELECT 'ironflock.realms.backend.changed', jsonb_build_object('backend_key', b.backend_key, 'project_key', b.project_key,
        'app_key', b.app_key, 'stage', b.stage, 'state', 'ready', 'epoch', b.epoch)
    FROM realms.backend b JOIN new_key k ON k.kind = 'backend' AND k.new = b.backend_key WHERE b.state = 'ready';
