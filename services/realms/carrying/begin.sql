-- A project in the making: its keys are new, and so are the names of its databases. Privileges hears of nothing yet, so that it
-- is nobody's, and nothing is installed, so that nobody makes tables where rows are still to come.

INSERT INTO new_key SELECT 'project', (content ->> 'project_key')::bigint,
        nextval(pg_get_serial_sequence('realms.project', 'project_key'))
    FROM carried WHERE part = 'realms.project';
INSERT INTO new_key SELECT 'app', (c.content ->> 'app_key')::bigint,
        coalesce(a.app_key, nextval(pg_get_serial_sequence('realms.app', 'app_key')))
    FROM carried c LEFT JOIN realms.app a ON a.name_canonical = c.content ->> 'name_canonical' AND NOT a.is_deleted
    WHERE c.part = 'realms.app';
INSERT INTO new_key SELECT 'release', (c.content ->> 'release_key')::bigint,
        coalesce(r.release_key, nextval(pg_get_serial_sequence('realms.release', 'release_key')))
    FROM carried c JOIN new_key a ON a.kind = 'app' AND a.old = (c.content ->> 'app_key')::bigint
    LEFT JOIN realms.release r ON r.app_key = a.new AND r.version_canonical = c.content ->> 'version_canonical'
    WHERE c.part = 'realms.release';
INSERT INTO new_key SELECT 'backend', (content ->> 'backend_key')::bigint,
        nextval(pg_get_serial_sequence('realms.backend', 'backend_key'))
    FROM carried WHERE part = 'realms.backend';
INSERT INTO new_key SELECT 'board', (content ->> 'board_key')::bigint, nextval(pg_get_serial_sequence('realms.board', 'board_key'))
    FROM carried WHERE part = 'realms.board';

INSERT INTO realms.project (project_key, name, name_canonical, description, owner_account_key, requires_factor,
        requires_same_address, is_told, cluster_key) OVERRIDING SYSTEM VALUE
    SELECT k.new, i.name, i.name_canonical, p.description, i.owner_account_key, p.requires_factor, p.requires_same_address, true,
        l.cluster_key
    FROM importing i JOIN realms.cluster l ON l.name = i.cluster AND l.forgotten_at IS NULL, carried c,
        jsonb_populate_record(NULL::realms.project, c.content) p, new_key k
    WHERE c.part = 'realms.project' AND k.kind = 'project';
INSERT INTO realms.app (app_key, name, name_canonical, description, owner_account_key, is_told) OVERRIDING SYSTEM VALUE
    SELECT k.new, a.name, a.name_canonical, a.description, i.owner_account_key, true
    FROM importing i, carried c, jsonb_populate_record(NULL::realms.app, c.content) a JOIN new_key k ON k.kind = 'app' AND k.old = a.app_key
    WHERE c.part = 'realms.app' AND NOT EXISTS (SELECT FROM realms.app n WHERE n.app_key = k.new);
INSERT INTO realms.release (release_key, app_key, version, version_canonical, image, data_template, contents, created_at)
        OVERRIDING SYSTEM VALUE
    SELECT k.new, a.new, r.version, r.version_canonical, r.image, r.data_template, r.contents, r.created_at
    FROM carried c, jsonb_populate_record(NULL::realms.release, c.content) r
    JOIN new_key k ON k.kind = 'release' AND k.old = r.release_key JOIN new_key a ON a.kind = 'app' AND a.old = r.app_key
    WHERE c.part = 'realms.release' AND NOT EXISTS (SELECT FROM realms.release n WHERE n.release_key = k.new);

-- 122 random bits in the letters from a to p, as unguessable as those of every other backend.
CREATE FUNCTION pg_temp.random_name(kind text) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT kind || '_' || translate(replace(gen_random_uuid()::text, '-', ''), '0123456789', 'ghijklmnop')
$$;
INSERT INTO realms.project_database (project_key, database_name) SELECT k.new, pg_temp.random_name('d')
    FROM new_key k WHERE k.kind = 'project' AND EXISTS (SELECT FROM new_key b WHERE b.kind = 'backend');
INSERT INTO realms.backend (backend_key, project_key, app_key, stage, schema_name, owner_name, login_name, creator_account_key,
        is_told, cluster_key) OVERRIDING SYSTEM VALUE
    SELECT k.new, p.new, a.new, b.stage, pg_temp.random_name('s'), pg_temp.random_name('o'), pg_temp.random_name('l'),
        i.owner_account_key, true, l.cluster_key
    FROM importing i JOIN realms.cluster l ON l.name = i.cluster AND l.forgotten_at IS NULL, new_key p, carried c,
        jsonb_populate_record(NULL::realms.backend, c.content) b
    JOIN new_key k ON k.kind = 'backend' AND k.old = b.backend_key JOIN new_key a ON a.kind = 'app' AND a.old = b.app_key
    WHERE c.part = 'realms.backend' AND p.kind = 'project';
INSERT INTO realms.provision_job (kind, backend_key, account_key)
    SELECT 'make', k.new, i.owner_account_key FROM importing i, new_key k WHERE k.kind = 'backend';
DROP FUNCTION pg_temp.random_name(text);
NOTIFY provision;
