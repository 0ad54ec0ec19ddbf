-- What an entry must be is checked by the one function that writes the queue, not by constraints of the table: those are parsed anew
-- for every single INSERT (some 150 us of each change), expressions of a function once a session. Nobody else can insert: no login has the
-- right, and the owner's is nobody's login.

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
    whole constant jsonb := jsonb_build_array(actor, asset, before, after, source);
BEGIN
    -- Time and service are the database's word, never the caller's; session_user is the login, whatever SET ROLE says.
    IF NOT EXISTS (SELECT FROM audit.action a WHERE a.tag = record.action AND a.service = session_user) THEN
        RAISE EXCEPTION 'service % may not record %', session_user, record.action
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (
        jsonb_typeof(actor) = 'object' AND actor ?& ARRAY ['kind', 'key', 'credential', 'on_behalf_of']
        AND actor - ARRAY ['kind', 'key', 'credential', 'on_behalf_of'] = '{}'
        AND actor ->> 'kind' IN ('person', 'device', 'service', 'operator')
        AND jsonb_typeof(actor -> 'key') IN ('number', 'string') AND octet_length(actor::text) <= 4096
    ) IS NOT TRUE THEN
        RAISE EXCEPTION 'an entry has no such actor' USING ERRCODE = 'check_violation', CONSTRAINT = 'queue_actor';
    END IF;
    IF (
        jsonb_typeof(asset) = 'object' AND asset ?& ARRAY ['kind', 'key'] AND asset - ARRAY ['kind', 'key'] = '{}'
        AND jsonb_typeof(asset -> 'kind') = 'string' AND jsonb_typeof(asset -> 'key') IN ('number', 'string')
        AND octet_length(asset::text) <= 4096
    ) IS NOT TRUE THEN
        RAISE EXCEPTION 'an entry has no such asset' USING ERRCODE = 'check_violation', CONSTRAINT = 'queue_asset';
    END IF;
    IF (
        jsonb_typeof(source) = 'object' AND source ?& ARRAY ['session', 'address', 'request']
        AND source - ARRAY ['session', 'address', 'request'] = '{}' AND octet_length(source::text) <= 8192
    ) IS NOT TRUE THEN
        RAISE EXCEPTION 'an entry has no such source' USING ERRCODE = 'check_violation', CONSTRAINT = 'queue_source';
    END IF;
    IF (
        coalesce(jsonb_typeof(before), 'object') = 'object' AND coalesce(jsonb_typeof(after), 'object') = 'object'
        AND coalesce(octet_length(before::text), 0) <= 65536 AND coalesce(octet_length(after::text), 0) <= 65536
    ) IS NOT TRUE THEN
        RAISE EXCEPTION 'an entry has no such change' USING ERRCODE = 'check_violation', CONSTRAINT = 'queue_change';
    END IF;
    IF (
        octet_length(aspect) <= 64 AND coalesce(octet_length(reason), 0) <= 4096
        AND outcome IN ('done', 'refused', 'intended', 'failed') AND coalesce(project BETWEEN 1 AND 9007199254740991, true)
    ) IS NOT TRUE THEN
        RAISE EXCEPTION 'an entry has no such aspect, reason, outcome or project'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'queue_words';
    END IF;
    -- What has no canonical encoding (RFC 8785: numbers are IEEE 754, ours below 2^53; one level more for the array) could never
    -- become a leaf: it would stand in the queue for ever.
    IF jsonb_path_exists(whole, 'strict $.** ? (@.type() == "number" && (@ >= 9007199254740992 || @ <= -9007199254740992))')
        OR jsonb_path_exists(whole, 'strict $.**{65}')
    THEN
        RAISE EXCEPTION 'an entry has numbers below 2^53 and at most 63 levels'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'queue_is_encodable';
    END IF;
    INSERT INTO audit.queue (recorded_at, service, action, aspect, actor, asset, project, before, after, reason,
                             source, outcome)
    VALUES (clock_timestamp(), session_user, record.action, record.aspect, record.actor, record.asset, record.project,
            record.before, record.after, record.reason, record.source, record.outcome)
    RETURNING id INTO entry;
    RETURN entry;
END;
$$;

ALTER TABLE audit.queue
    DROP CONSTRAINT IF EXISTS queue_action_fkey,
    DROP CONSTRAINT IF EXISTS queue_actor_check,
    DROP CONSTRAINT IF EXISTS queue_actor_check1,
    DROP CONSTRAINT IF EXISTS queue_actor_check2,
    DROP CONSTRAINT IF EXISTS queue_after_check,
    DROP CONSTRAINT IF EXISTS queue_asset_check,
    DROP CONSTRAINT IF EXISTS queue_asset_check1,
    DROP CONSTRAINT IF EXISTS queue_before_check,
    DROP CONSTRAINT IF EXISTS queue_check,
    DROP CONSTRAINT IF EXISTS queue_check1,
    DROP CONSTRAINT IF EXISTS queue_check2,
    DROP CONSTRAINT IF EXISTS queue_is_encodable,
    DROP CONSTRAINT IF EXISTS queue_outcome_check,
    DROP CONSTRAINT IF EXISTS queue_source_check;

DROP FUNCTION IF EXISTS audit.is_encodable(jsonb);
