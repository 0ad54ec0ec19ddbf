-- Terminals in containers: a person may have one in each, and an agent has them by names of its own.
ALTER TABLE devices.terminal
    ADD COLUMN IF NOT EXISTS container     text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS agent_session text NOT NULL DEFAULT '';
ALTER TABLE devices.terminal DROP CONSTRAINT IF EXISTS terminal_account_key_device_key_key;
ALTER TABLE devices.terminal DROP CONSTRAINT IF EXISTS terminal_of_person;
ALTER TABLE devices.terminal ADD CONSTRAINT terminal_of_person UNIQUE (account_key, device_key, container);
