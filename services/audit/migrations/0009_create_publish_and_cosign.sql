-- Publishing a head: never a smaller one, never another one of the same size, never one of leaves that are not there.

CREATE OR REPLACE FUNCTION audit.publish(size bigint, root bytea, note text) RETURNS bigint
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    head      record;
    published bigint;
BEGIN
    PERFORM set_config('audit.acting', 'publish', true);
    PERFORM pg_advisory_xact_lock(1096107081);
    SELECT c.size, c.root INTO head FROM audit.checkpoint c ORDER BY c.number DESC LIMIT 1;
    IF publish.size < head.size OR (publish.size = head.size AND publish.root <> head.root) THEN
        RAISE EXCEPTION 'the head of size % is published already', head.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF publish.size > (SELECT coalesce(max(l.leaf_index) + 1, 0) FROM audit.leaf l) THEN
        RAISE EXCEPTION 'the log does not have % leaves', publish.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO audit.checkpoint (size, root, note, published_at)
        VALUES (publish.size, publish.root, publish.note, clock_timestamp())
        RETURNING number INTO published;
    PERFORM set_config('audit.acting', '', true);
    RETURN published;
END;
$$;

CREATE OR REPLACE FUNCTION audit.cosign(checkpoint bigint, line text) RETURNS void
    LANGUAGE sql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO audit.cosignature (checkpoint, line) VALUES (cosign.checkpoint, cosign.line) ON CONFLICT DO NOTHING
$$;

REVOKE ALL ON FUNCTION audit.publish(bigint, bytea, text), audit.cosign(bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.publish(bigint, bytea, text), audit.cosign(bigint, text) TO svc_audit;
