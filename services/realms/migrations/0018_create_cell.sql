-- Cells: routers with a `realm1` of their own, and in which of them each project is, for good. `endpoint` is what devices, apps and boards of
-- its projects dial, without a path; that of the first cell is in the processes' settings.

CREATE TABLE IF NOT EXISTS realms.cell (
    cell_key bigint GENERATED ALWAYS AS IDENTITY (START 2 MAXVALUE 9007199254740991) PRIMARY KEY,
    name     text    NOT NULL UNIQUE,
    region   text    NOT NULL,
    endpoint text    UNIQUE CHECK ((cell_key = 1) = (endpoint IS NULL)),
    state    text    NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed', 'draining')),
    capacity integer NOT NULL CHECK (capacity >= 0)
);
INSERT INTO realms.cell (cell_key, name, region, capacity) OVERRIDING SYSTEM VALUE
    SELECT 1, 'first', region, 10000 FROM realms.cluster WHERE cluster_key = 1 ON CONFLICT DO NOTHING;

ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS cell_key bigint NOT NULL DEFAULT 1 REFERENCES realms.cell (cell_key);
CREATE INDEX IF NOT EXISTS project_by_cell ON realms.project (cell_key);

GRANT SELECT, INSERT, UPDATE ON realms.cell TO svc_realms;
