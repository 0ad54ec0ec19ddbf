-- Database servers that are dead for good, or that nothing is on any more: their rows stay, since moves that are over name them.

ALTER TABLE realms.cluster ADD COLUMN IF NOT EXISTS forgotten_at timestamptz;
GRANT SELECT (forgotten_at) ON realms.cluster TO backup;
