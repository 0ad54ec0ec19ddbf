-- Apps, their releases, where they are installed, and whose data they may read there.

-- Names are unique in the installation, in canonical form (decision 19). `revision` counts what privileges must know of.
CREATE TABLE IF NOT EXISTS realms.app (
    app_key           bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    name              text        NOT NULL,
    name_canonical    text        NOT NULL,
    description       text        NOT NULL DEFAULT '',
    owner_account_key bigint      NOT NULL,
    is_public         boolean     NOT NULL DEFAULT false,
    revision          bigint      NOT NULL DEFAULT 1,
    is_told           boolean     NOT NULL DEFAULT false,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT app_name_in_the_installation UNIQUE (name_canonical)
);
CREATE INDEX IF NOT EXISTS app_untold ON realms.app (app_key) WHERE NOT is_told;

-- A release never changes.
CREATE TABLE IF NOT EXISTS realms.release (
    release_key       bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    app_key           bigint      NOT NULL REFERENCES realms.app (app_key) ON DELETE CASCADE,
    version           text        NOT NULL,
    version_canonical text        NOT NULL,
    image             text        NOT NULL,
    data_template     jsonb,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT release_version_per_app UNIQUE (app_key, version_canonical)
);
CREATE INDEX IF NOT EXISTS release_by_app ON realms.release (app_key, release_key);

CREATE TABLE IF NOT EXISTS realms.install (
    project_key  bigint      NOT NULL REFERENCES realms.project (project_key) ON DELETE CASCADE,
    app_key      bigint      NOT NULL REFERENCES realms.app (app_key),
    stage        text        NOT NULL CHECK (stage IN ('DEV', 'PROD')),
    release_key  bigint      REFERENCES realms.release (release_key),
    installed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_key, app_key, stage)
);
CREATE INDEX IF NOT EXISTS install_by_app ON realms.install (app_key);
CREATE INDEX IF NOT EXISTS install_by_release ON realms.install (release_key);

-- `provider` is an app's name in canonical form, which may be there later than the request for it, or `*`.
CREATE TABLE IF NOT EXISTS realms.app_access (
    project_key bigint  NOT NULL REFERENCES realms.project (project_key) ON DELETE CASCADE,
    app_key     bigint  NOT NULL REFERENCES realms.app (app_key),
    provider    text    NOT NULL,
    reason      text    NOT NULL DEFAULT '',
    is_granted  boolean NOT NULL DEFAULT false,
    granted_at  timestamptz,
    PRIMARY KEY (project_key, app_key, provider)
);
CREATE INDEX IF NOT EXISTS app_access_by_app ON realms.app_access (app_key);
CREATE INDEX IF NOT EXISTS app_access_by_provider ON realms.app_access (provider);

-- What is still to be published on the system realm, written with the change that it tells of.
CREATE TABLE IF NOT EXISTS realms.news (
    news_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic    text  NOT NULL,
    content  jsonb NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON realms.app, realms.install, realms.app_access TO svc_realms;
GRANT SELECT, INSERT ON realms.release TO svc_realms;
GRANT SELECT, INSERT, DELETE ON realms.news TO svc_realms;
