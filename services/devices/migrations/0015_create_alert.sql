-- What operators are alerted of, by which rules, and who is told of it.

-- What a project has set of a rule; what is NULL, or has no row, is as `alert_rules` says.
CREATE TABLE IF NOT EXISTS devices.alert_rule (
    project_key bigint  NOT NULL REFERENCES devices.project (project_key) ON DELETE CASCADE,
    kind        text    NOT NULL,
    is_on       boolean,
    severity    text    CHECK (severity IN ('info', 'warning', 'critical')),
    after_s     integer CHECK (after_s >= 0),
    PRIMARY KEY (project_key, kind)
);

-- One trouble of one subject. `revision` counts its changes, `is_told` says whether watches know of the last one.
CREATE TABLE IF NOT EXISTS devices.alert (
    alert_key       bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key     bigint      NOT NULL REFERENCES devices.project (project_key) ON DELETE CASCADE,
    kind            text        NOT NULL,
    subject         text        NOT NULL,
    severity        text        NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    state           text        NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    details         jsonb       NOT NULL DEFAULT '{}',
    opened_at       timestamptz NOT NULL,
    state_since     timestamptz NOT NULL,
    seen_at         timestamptz NOT NULL,
    acknowledged_by bigint,
    reopenings      integer     NOT NULL DEFAULT 0,
    revision        bigint      NOT NULL DEFAULT 1,
    is_told         boolean     NOT NULL DEFAULT false
);
-- A second one of the same cannot be open: no storm comes of two processes that look at once.
CREATE UNIQUE INDEX IF NOT EXISTS alert_is_one ON devices.alert (project_key, kind, subject) WHERE state <> 'resolved';
CREATE INDEX IF NOT EXISTS alert_by_subject ON devices.alert (project_key, kind, subject, alert_key DESC);
CREATE INDEX IF NOT EXISTS alert_untold ON devices.alert (alert_key) WHERE NOT is_told;
CREATE INDEX IF NOT EXISTS alert_unresolved ON devices.alert (kind, alert_key) WHERE state <> 'resolved';

-- The devices that an alert is about.
CREATE TABLE IF NOT EXISTS devices.alert_device (
    alert_key  bigint NOT NULL REFERENCES devices.alert (alert_key) ON DELETE CASCADE,
    device_key bigint NOT NULL,
    PRIMARY KEY (alert_key, device_key)
);
CREATE INDEX IF NOT EXISTS alert_by_device ON devices.alert_device (device_key);

-- To whom a project's alerts go: a webhook with its sealed secret, or a person by mail. It waits until `due_at`.
CREATE TABLE IF NOT EXISTS devices.alert_channel (
    channel_key    bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    project_key    bigint      NOT NULL REFERENCES devices.project (project_key) ON DELETE CASCADE,
    name           text        NOT NULL,
    name_canonical text        NOT NULL,
    url            text,
    secret_id      uuid,
    secret         bytea,
    account_key    bigint,
    min_severity   text        NOT NULL CHECK (min_severity IN ('info', 'warning', 'critical')),
    time_zone      text        NOT NULL,
    quiet          jsonb       NOT NULL,
    created_at     timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    failing_since  timestamptz,
    failure        text,
    gave_up_at     timestamptz,
    told_at        timestamptz,
    CONSTRAINT channel_name_per_project UNIQUE (project_key, name_canonical),
    CONSTRAINT channel_is_one_kind CHECK (
        (url IS NULL) <> (account_key IS NULL) AND (url IS NULL) = (secret IS NULL) AND (url IS NULL) = (secret_id IS NULL)
    )
);

-- What a channel is still to be told (`due_at`), and what it was told last: written with each change of an alert.
CREATE TABLE IF NOT EXISTS devices.alert_telling (
    channel_key bigint NOT NULL REFERENCES devices.alert_channel (channel_key) ON DELETE CASCADE,
    alert_key   bigint NOT NULL REFERENCES devices.alert (alert_key) ON DELETE CASCADE,
    due_at      timestamptz,
    told_state  text,
    told_at     timestamptz,
    times       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_key, alert_key)
);
CREATE INDEX IF NOT EXISTS telling_by_due ON devices.alert_telling (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS telling_by_alert ON devices.alert_telling (alert_key);

GRANT SELECT, INSERT, UPDATE, DELETE ON devices.alert_rule, devices.alert, devices.alert_device, devices.alert_channel,
    devices.alert_telling TO svc_devices;
