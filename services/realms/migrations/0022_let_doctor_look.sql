-- Whoever looks whether all is well: cells and database servers with how many projects are there, jobs that wait, projects in a legacy mode.

GRANT USAGE ON SCHEMA realms TO doctor;
GRANT SELECT (number, digest) ON realms.migration TO doctor;
GRANT SELECT (name, cell_key, legacy_mode, legacy_until) ON realms.project TO doctor;
GRANT SELECT (cell_key, name, endpoint) ON realms.cell TO doctor;
GRANT SELECT (cluster_key, name, reached_at, forgotten_at) ON realms.cluster TO doctor;
GRANT SELECT (cluster_key, state) ON realms.backend TO doctor;
GRANT SELECT (kind, cluster_key, asked_at, due_at, done_at) ON realms.provision_job TO doctor;
