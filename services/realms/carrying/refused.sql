-- Why a project cannot be brought in as it is, a sentence each: nothing of anybody else's is changed or shown by it.
-- Keys are compared as `begin.sql` compares them, as numbers: in JSON 7 is another value than "7".

SELECT format('there is a project called %s of that owner: say another --name', i.name) FROM importing i
    WHERE EXISTS (SELECT FROM realms.project p
        WHERE p.owner_account_key = i.owner_account_key AND p.name_canonical = i.name_canonical)
UNION ALL
SELECT format('the app %s is somebody else''s here, and not public', a.name)
    FROM carried c JOIN realms.app a ON a.name_canonical = c.content ->> 'name_canonical' AND NOT a.is_deleted, importing i
    WHERE c.part = 'realms.app' AND a.owner_account_key <> i.owner_account_key AND NOT a.is_public
    -- One project beside itself: that the app is in there was granted, and still is.
    AND NOT (i.is_beside AND EXISTS (SELECT FROM realms.install n, carried p WHERE p.part = 'realms.project'
        AND n.project_key = (p.content ->> 'project_key')::bigint AND n.app_key = a.app_key))
UNION ALL
SELECT format('the app %s has no release %s here, and is somebody else''s', a.name, c.content ->> 'version')
    FROM carried c JOIN carried n ON n.part = 'realms.app'
        AND (n.content ->> 'app_key')::bigint = (c.content ->> 'app_key')::bigint
    JOIN realms.app a ON a.name_canonical = n.content ->> 'name_canonical' AND NOT a.is_deleted, importing i
    WHERE c.part = 'realms.release' AND a.owner_account_key <> i.owner_account_key AND NOT EXISTS (SELECT FROM realms.release r
        WHERE r.app_key = a.app_key AND r.version_canonical = c.content ->> 'version_canonical')
UNION ALL
SELECT format('release %s of the app %s is another one here', c.content ->> 'version', a.name)
    FROM carried c JOIN carried n ON n.part = 'realms.app'
        AND (n.content ->> 'app_key')::bigint = (c.content ->> 'app_key')::bigint
    JOIN realms.app a ON a.name_canonical = n.content ->> 'name_canonical' AND NOT a.is_deleted
    JOIN realms.release r ON r.app_key = a.app_key AND r.version_canonical = c.content ->> 'version_canonical'
    WHERE c.part = 'realms.release' AND (r.image, coalesce(r.data_template, 'null'), coalesce(r.contents, 'null'))
        IS DISTINCT FROM (c.content ->> 'image', coalesce(c.content -> 'data_template', 'null'),
            coalesce(c.content -> 'contents', 'null'))
UNION ALL
SELECT format('there is no database server %s', i.cluster) FROM importing i
    WHERE NOT EXISTS (SELECT FROM realms.cluster l WHERE l.name = i.cluster AND l.forgotten_at IS NULL)
UNION ALL
SELECT format('the database server %s takes no projects: open it (`placement cluster open`), or say another --cluster', l.name)
    FROM importing i JOIN realms.cluster l ON l.name = i.cluster AND l.forgotten_at IS NULL
    WHERE l.state <> 'open' OR l.reached_at IS NULL
        OR l.capacity <= (SELECT count(*) FROM realms.project p WHERE p.cluster_key = l.cluster_key)
UNION ALL
SELECT 'the first cell takes no projects, and an import comes there: open it (`placement cell open`)'
    FROM realms.cell WHERE cell_key = 1 AND state <> 'open'
