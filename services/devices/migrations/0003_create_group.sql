-- Groups of devices: a flag that is held on a group holds for each device while it is in it.

CREATE TABLE IF NOT EXISTS devices.device_group (
    group_key      bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key    bigint      NOT NULL REFERENCES devices.project (project_key),
    name           text        NOT NULL,
    name_canonical text        NOT NULL,
    description    text        NOT NULL DEFAULT '',
    revision       bigint      NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT group_name_per_project UNIQUE (project_key, name_canonical),
    CONSTRAINT group_with_its_project UNIQUE (group_key, project_key)
);

ALTER TABLE devices.device DROP CONSTRAINT IF EXISTS device_with_its_project CASCADE;
ALTER TABLE devices.device ADD CONSTRAINT device_with_its_project UNIQUE (device_key, project_key);

-- Both are of one project, always: a device that goes elsewhere leaves its groups first.
CREATE TABLE IF NOT EXISTS devices.group_member (
    group_key   bigint NOT NULL,
    device_key  bigint NOT NULL,
    project_key bigint NOT NULL,
    PRIMARY KEY (group_key, device_key),
    CONSTRAINT member_of_a_group FOREIGN KEY (group_key, project_key)
        REFERENCES devices.device_group (group_key, project_key) ON DELETE CASCADE
);
ALTER TABLE devices.group_member DROP CONSTRAINT IF EXISTS member_is_a_device;
ALTER TABLE devices.group_member ADD CONSTRAINT member_is_a_device FOREIGN KEY (device_key, project_key)
    REFERENCES devices.device (device_key, project_key) ON DELETE CASCADE;
CREATE INDEX IF NOT EXISTS member_by_device ON devices.group_member (device_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.device_group, devices.group_member TO svc_devices;
