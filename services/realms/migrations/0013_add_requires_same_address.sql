-- Whether the tunnel client of a device has to come from the address of its agent (decision 27).

ALTER TABLE realms.project ADD COLUMN IF NOT EXISTS requires_same_address boolean NOT NULL DEFAULT true;
