-- A device without a row may have apps that nobody here knows of: its list is said by a person, never by an install.
-- One that is new here has a row without a time, and its first install says the list. Who answered a list last, and
-- when: an order of another process may have overtaken it.

ALTER TABLE devices.app_list ALTER COLUMN committed_at DROP NOT NULL;
ALTER TABLE devices.app_list
    ADD COLUMN IF NOT EXISTS listed_at timestamptz,
    ADD COLUMN IF NOT EXISTS listed_by uuid;
