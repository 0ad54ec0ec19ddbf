-- Projects; their names are unique per owner, in canonical form (decision 19).

CREATE TABLE IF NOT EXISTS realms.project (
    project_key       bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 9007199254740991) PRIMARY KEY,
    name              text        NOT NULL,
    name_canonical    text        NOT NULL,
    description       text        NOT NULL DEFAULT '',
    owner_account_key bigint      NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT project_name_per_owner UNIQUE (owner_account_key, name_canonical)
);

GRANT USAGE ON SCHEMA realms TO svc_realms;
GRANT SELECT, INSERT, UPDATE, DELETE ON realms.project TO svc_realms;
