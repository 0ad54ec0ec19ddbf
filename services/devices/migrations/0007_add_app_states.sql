-- What is wanted of each app on a device, what its agent says of it, and what the agent is still to be told.

-- `target` is what is wanted, `state` what the agent said last; releases are those of realms: the one that is wanted,
-- the one that the device has, the one that it had before. `told_revision` is the last wish that reached the agent for
-- certain; once a wish was on its way (`is_offered`) nobody can say any more that the agent has never heard of the app.
ALTER TABLE devices.device_app
    ADD COLUMN IF NOT EXISTS app_name              text,
    ADD COLUMN IF NOT EXISTS target                text   NOT NULL DEFAULT 'REMOVED'
        CHECK (target IN ('PRESENT', 'RUNNING', 'REMOVED', 'UNINSTALLED')),
    ADD COLUMN IF NOT EXISTS state                 text   NOT NULL DEFAULT 'UNINSTALLED',
    ADD COLUMN IF NOT EXISTS state_since           timestamptz,
    ADD COLUMN IF NOT EXISTS release_key           bigint,
    ADD COLUMN IF NOT EXISTS version               text,
    ADD COLUMN IF NOT EXISTS present_release_key   bigint,
    ADD COLUMN IF NOT EXISTS present_version       text,
    ADD COLUMN IF NOT EXISTS previous_release_key  bigint,
    ADD COLUMN IF NOT EXISTS previous_version      text,
    ADD COLUMN IF NOT EXISTS requestor_account_key bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS app_cred_epoch        bigint NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS reported_ports        jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS revision              bigint NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS told_revision         bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS is_offered            boolean NOT NULL DEFAULT false;

-- That somebody has said what is to be on the device: without such a row nobody knows, and its agent is told nothing,
-- since it deletes whatever it is not told of.
CREATE TABLE IF NOT EXISTS devices.app_list (
    device_key   bigint      PRIMARY KEY REFERENCES devices.device (device_key) ON DELETE CASCADE,
    account_key  bigint,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What an agent is still to be told: written with the wish, one for each app, gone once the agent took the newest.
CREATE TABLE IF NOT EXISTS devices.app_order (
    device_key bigint      NOT NULL,
    app_key    bigint      NOT NULL,
    stage      text        NOT NULL,
    cancels    boolean     NOT NULL DEFAULT false,
    attempts   integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    refusal    text,
    PRIMARY KEY (device_key, app_key, stage)
);
ALTER TABLE devices.app_order DROP CONSTRAINT IF EXISTS order_is_about_an_app;
ALTER TABLE devices.app_order ADD CONSTRAINT order_is_about_an_app FOREIGN KEY (device_key, app_key, stage)
    REFERENCES devices.device_app (device_key, app_key, stage) ON DELETE CASCADE;
CREATE INDEX IF NOT EXISTS app_order_by_due ON devices.app_order (due_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.app_list, devices.app_order TO svc_devices;
