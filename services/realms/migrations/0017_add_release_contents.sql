-- What a release asks for: the variables that it reads, the ports that it offers, how its containers are composed.
ALTER TABLE realms.release ADD COLUMN IF NOT EXISTS contents jsonb;
