-- Whoever takes backups is told on which servers there are data of projects: one that is left out must not go unnoticed.

GRANT USAGE ON SCHEMA realms TO backup;
GRANT SELECT (cluster_key, name, state) ON realms.cluster TO backup;
GRANT SELECT (backend_key, cluster_key, state) ON realms.backend TO backup;
