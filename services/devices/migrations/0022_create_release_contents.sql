-- What releases of apps ask for, as realms has it: they never change, so that what was asked once is kept.
CREATE TABLE IF NOT EXISTS devices.release_contents (
    release_key bigint PRIMARY KEY,
    contents    jsonb  NOT NULL
);

GRANT SELECT, INSERT ON devices.release_contents TO svc_devices;
