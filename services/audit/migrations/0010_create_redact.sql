-- Retention: what is past its project's days loses entry and salt; the leaf stays, and with it the tree.

CREATE OR REPLACE FUNCTION audit.set_retention(project bigint, days integer) RETURNS integer
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before integer;
BEGIN
    SELECT r.days INTO before FROM audit.retention r WHERE r.project = set_retention.project FOR UPDATE;
    INSERT INTO audit.retention AS r (project, days) VALUES (set_retention.project, set_retention.days)
        ON CONFLICT ON CONSTRAINT retention_pkey DO UPDATE SET days = excluded.days;
    RETURN before;
END;
$$;

-- What is due is decided here, by the database's own clock, so that who may call this can redact nothing else. Who set
-- how long entries are kept stays, whatever they set.
CREATE OR REPLACE FUNCTION audit.redact(most integer) RETURNS bigint
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    redacted bigint;
BEGIN
    PERFORM set_config('audit.acting', 'redact', true);
    WITH due AS (
        SELECT e.leaf_index, e.project
        FROM audit.retention r
        JOIN audit.entry e ON e.project = r.project
        WHERE e.recorded_at < clock_timestamp() - make_interval(days => r.days) AND e.action <> 'audit_retention.set'
        ORDER BY e.leaf_index
        LIMIT least(most, 10000)
        FOR UPDATE OF e SKIP LOCKED
    ), emptied AS (
        UPDATE audit.entry e
        SET recorded_at = NULL, service = NULL, action = NULL, aspect = NULL, actor = NULL, asset = NULL, project = NULL,
            before = NULL, after = NULL, reason = NULL, source = NULL, outcome = NULL, salt = NULL
        FROM due WHERE e.leaf_index = due.leaf_index
        RETURNING due.leaf_index, due.project
    )
    INSERT INTO audit.redaction (leaf_index, cause, project, redacted_at)
        SELECT leaf_index, 'retention', project, clock_timestamp() FROM emptied;
    GET DIAGNOSTICS redacted = ROW_COUNT;
    PERFORM set_config('audit.acting', '', true);
    RETURN redacted;
END;
$$;

REVOKE ALL ON FUNCTION audit.set_retention(bigint, integer), audit.redact(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.set_retention(bigint, integer), audit.redact(integer) TO svc_audit;
