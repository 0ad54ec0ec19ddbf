-- Which credential of an app on a device counts: the epoch that its secret was made for. No row: the first one.
CREATE TABLE IF NOT EXISTS auth.app_credential (
    device_key bigint      NOT NULL REFERENCES auth.device_credential (device_key) ON DELETE CASCADE,
    app_key    bigint      NOT NULL,
    stage      text        NOT NULL CHECK (stage IN ('DEV', 'PROD')),
    epoch      bigint      NOT NULL CHECK (epoch > 1),
    rotated_at timestamptz NOT NULL,
    PRIMARY KEY (device_key, app_key, stage)
);

GRANT SELECT, INSERT, UPDATE ON auth.app_credential TO svc_auth;
