-- The queue into which every service records, and the one function through which it does (decisions 23 to 25).

CREATE TABLE IF NOT EXISTS audit.action (
    tag     text PRIMARY KEY,
    service name NOT NULL
);

INSERT INTO audit.action (tag, service) VALUES
    ('account.created', 'svc_auth'),
    ('api_key.created', 'svc_auth'),
    ('api_key.ended', 'svc_auth'),
    ('device.created', 'svc_devices'),
    ('device.deleted', 'svc_devices'),
    ('device.duplicated', 'svc_devices'),
    ('device.flashed', 'svc_devices'),
    ('device.impersonated', 'svc_devices'),
    ('device.renamed', 'svc_devices'),
    ('device_credential.ended', 'svc_auth'),
    ('device_credential.issued', 'svc_auth'),
    ('project.created', 'svc_realms')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS audit.queue (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    service     name        NOT NULL,
    action      text        NOT NULL REFERENCES audit.action (tag),
    aspect      text        NOT NULL,
    actor       jsonb       NOT NULL,
    asset       jsonb       NOT NULL,
    project     bigint,
    before      jsonb,
    after       jsonb,
    reason      text,
    source      jsonb       NOT NULL,
    outcome     text        NOT NULL CHECK (outcome IN ('done', 'refused', 'intended', 'failed')),
    CHECK (jsonb_typeof(actor) = 'object' AND actor ?& ARRAY ['kind', 'key', 'credential', 'on_behalf_of']
        AND actor - ARRAY ['kind', 'key', 'credential', 'on_behalf_of'] = '{}'),
    CHECK (coalesce(actor ->> 'kind', '') IN ('person', 'device', 'service', 'operator')),
    CHECK (jsonb_typeof(asset) = 'object' AND asset ?& ARRAY ['kind', 'key'] AND asset - ARRAY ['kind', 'key'] = '{}'),
    CHECK (jsonb_typeof(asset -> 'kind') = 'string' AND jsonb_typeof(asset -> 'key') IN ('number', 'string')),
    CHECK (jsonb_typeof(actor -> 'key') IN ('number', 'string')),
    CHECK (jsonb_typeof(source) = 'object' AND source ?& ARRAY ['session', 'address', 'request']
        AND source - ARRAY ['session', 'address', 'request'] = '{}'),
    CHECK (octet_length(actor::text) <= 4096 AND octet_length(asset::text) <= 4096 AND octet_length(aspect) <= 64),
    CHECK (before IS NULL OR jsonb_typeof(before) = 'object'),
    CHECK (after IS NULL OR jsonb_typeof(after) = 'object'),
    CHECK (octet_length(before::text) <= 65536 AND octet_length(after::text) <= 65536),
    CHECK (octet_length(reason) <= 4096 AND octet_length(source::text) <= 8192)
);

CREATE OR REPLACE FUNCTION audit.record(
    action  text,
    aspect  text,
    actor   jsonb,
    asset   jsonb,
    project bigint,
    before  jsonb,
    after   jsonb,
    reason  text,
    source  jsonb,
    outcome text
) RETURNS bigint
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry bigint;
BEGIN
    -- Time and service are the database's word, never the caller's; session_user is the login, whatever SET ROLE says.
    IF NOT EXISTS (SELECT FROM audit.action a WHERE a.tag = record.action AND a.service = session_user) THEN
        RAISE EXCEPTION 'service % may not record %', session_user, record.action
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit.queue (recorded_at, service, action, aspect, actor, asset, project, before, after, reason,
                             source, outcome)
    VALUES (clock_timestamp(), session_user, record.action, record.aspect, record.actor, record.asset, record.project,
            record.before, record.after, record.reason, record.source, record.outcome)
    RETURNING id INTO entry;
    RETURN entry;
END;
$$;

REVOKE ALL ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text) FROM PUBLIC;
REVOKE ALL ON TABLE audit.queue, audit.action FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO svc_auth, svc_realms, svc_devices;
GRANT EXECUTE ON FUNCTION audit.record(text, text, jsonb, jsonb, bigint, jsonb, jsonb, text, jsonb, text)
    TO svc_auth, svc_realms, svc_devices;
