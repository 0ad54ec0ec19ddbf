-- What a device that is out of service has written goes, where that is wished: its certificate waits for that as `draft`.
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS data text NOT NULL DEFAULT 'keep' CHECK (data IN ('keep', 'delete'));
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS draft jsonb;
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS round integer NOT NULL DEFAULT 1;
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS erased jsonb NOT NULL DEFAULT '[]';
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS obstacles jsonb NOT NULL DEFAULT '[]';
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS attempts integer NOT NULL DEFAULT 0;
ALTER TABLE devices.decommission ADD COLUMN IF NOT EXISTS due_at timestamptz NOT NULL DEFAULT clock_timestamp();
CREATE INDEX IF NOT EXISTS decommission_erasing ON devices.decommission (due_at) WHERE draft IS NOT NULL AND certificate IS NULL;
