-- Whether tables of a database server are TimescaleDB's, which are not moved: NULL where the provisioner has not looked yet.

ALTER TABLE realms.cluster ADD COLUMN IF NOT EXISTS keeps_hypertables boolean;
GRANT UPDATE (keeps_hypertables) ON realms.cluster TO provisioner;
