-- What of realms goes with a project: itself, the apps and releases that it uses, what is installed, its boards.

WITH used AS (
    SELECT app_key, release_key FROM realms.install WHERE project_key = %(project)s
    UNION SELECT app_key, release_key FROM devices.device_app WHERE project_key = %(project)s AND target <> 'UNINSTALLED'
    UNION SELECT app_key, NULL FROM realms.backend WHERE project_key = %(project)s AND state = 'ready'
)
SELECT 'realms.project' AS part, to_jsonb(p) AS content FROM realms.project p WHERE p.project_key = %(project)s
UNION ALL SELECT 'realms.app', to_jsonb(a) FROM realms.app a
    WHERE NOT a.is_deleted AND a.app_key IN (SELECT app_key FROM used)
UNION ALL SELECT 'realms.release', to_jsonb(r) FROM realms.release r JOIN realms.app a USING (app_key)
    WHERE NOT a.is_deleted AND r.release_key IN (SELECT release_key FROM used)
UNION ALL SELECT 'realms.install', to_jsonb(i) FROM realms.install i WHERE i.project_key = %(project)s
UNION ALL SELECT 'realms.app_access', to_jsonb(x) FROM realms.app_access x WHERE x.project_key = %(project)s
UNION ALL SELECT 'realms.backend', to_jsonb(b) || jsonb_build_object('database_name', d.database_name, 'cluster', c.name)
    FROM realms.backend b JOIN realms.project_database d USING (project_key) JOIN realms.app a USING (app_key)
    JOIN realms.cluster c ON c.cluster_key = b.cluster_key
    WHERE b.project_key = %(project)s AND b.state = 'ready' AND NOT a.is_deleted
UNION ALL SELECT 'realms.retention', to_jsonb(k) FROM realms.retention k JOIN realms.backend b USING (backend_key)
    WHERE b.project_key = %(project)s AND b.state = 'ready'
UNION ALL SELECT 'realms.board', to_jsonb(o) FROM realms.board o WHERE o.project_key = %(project)s AND o.deleted_at IS NULL
