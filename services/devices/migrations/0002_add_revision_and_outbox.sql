-- What the privileges service must hear of: every device, and each change of where it is and in which groups.

-- Counts the changes of a device that concern rights; it never goes back.
ALTER TABLE devices.device ADD COLUMN IF NOT EXISTS revision bigint NOT NULL DEFAULT 0;

-- Written in the transaction of the change, told in the order of keys for each asset, deleted once it was taken.
CREATE TABLE IF NOT EXISTS devices.outbox (
    outbox_key          bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    kind                text        NOT NULL CHECK (kind IN ('device', 'group')),
    asset_key           bigint      NOT NULL,
    is_gone             boolean     NOT NULL DEFAULT false,
    project_key         bigint      NOT NULL,
    revision            bigint      NOT NULL,
    creator_account_key bigint,
    groups              bigint[]    NOT NULL DEFAULT '{}',
    attempts            integer     NOT NULL DEFAULT 0,
    due_at              timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS outbox_by_asset ON devices.outbox (kind, asset_key, outbox_key);

-- The devices that are there already: their projects' owners need no grants, so that nobody is named as creator.
INSERT INTO devices.outbox (kind, asset_key, project_key, revision)
    SELECT 'device', d.device_key, d.project_key, d.revision FROM devices.device d
    WHERE NOT EXISTS (SELECT 1 FROM devices.outbox o WHERE o.kind = 'device' AND o.asset_key = d.device_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.outbox TO svc_devices;
