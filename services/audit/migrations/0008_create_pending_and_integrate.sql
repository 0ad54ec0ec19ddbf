-- Taking what is in the queue, in two steps of one transaction: what is visible; and its move into the log. Writers
-- only ever INSERT, so nothing here stands in their way (decision 24).

CREATE OR REPLACE FUNCTION audit.pending(most integer) RETURNS SETOF audit.queue
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- "AUDI": one integrator at a time, until its transaction ends; another one finds nothing.
    IF NOT pg_try_advisory_xact_lock(1096107081) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM audit.queue ORDER BY id LIMIT least(most, 4096);
END;
$$;

CREATE OR REPLACE FUNCTION audit.integrate(
    size        bigint,
    ids         bigint[],
    salts       bytea[],
    commitments bytea[],
    levels      smallint[],
    indexes     bigint[],
    widths      integer[],
    additions   bytea[]
) RETURNS bigint
    LANGUAGE plpgsql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved bigint;
    grown bigint;
BEGIN
    PERFORM set_config('audit.acting', 'integrate', true);
    PERFORM pg_advisory_xact_lock(1096107081);
    IF integrate.size <> (SELECT coalesce(max(l.leaf_index) + 1, 0) FROM audit.leaf l) THEN
        RAISE EXCEPTION 'the log does not have % leaves', integrate.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO audit.leaf (leaf_index, commitment)
        SELECT integrate.size + taken.place - 1, taken.commitment
        FROM unnest(commitments) WITH ORDINALITY AS taken (commitment, place);
    WITH taken AS (
        SELECT * FROM unnest(ids, salts) WITH ORDINALITY AS t (id, salt, place)
    ), removed AS (
        DELETE FROM audit.queue q USING taken WHERE q.id = taken.id RETURNING q.*, taken.salt, taken.place
    )
    INSERT INTO audit.entry (leaf_index, id, recorded_at, service, action, aspect, actor, asset, project, before, after,
                             reason, source, outcome, salt)
        SELECT integrate.size + place - 1, id, recorded_at, service, action, aspect, actor, asset, project, before, after,
               reason, source, outcome, salt
        FROM removed;
    GET DIAGNOSTICS moved = ROW_COUNT;
    -- `widths` is what each tile held before: an addition to anything else would be a fork.
    INSERT INTO audit.tile AS t (level, index, hashes)
        SELECT a.level, a.index, a.addition
        FROM unnest(levels, indexes, widths, additions) AS a (level, index, width, addition)
        WHERE a.width = 0;
    GET DIAGNOSTICS grown = ROW_COUNT;
    UPDATE audit.tile t SET hashes = t.hashes || a.addition
        FROM unnest(levels, indexes, widths, additions) AS a (level, index, width, addition)
        WHERE a.width > 0 AND t.level = a.level AND t.index = a.index AND octet_length(t.hashes) = a.width * 32;
    IF moved <> cardinality(ids) OR moved <> cardinality(commitments) OR moved <> cardinality(salts) THEN
        RAISE EXCEPTION 'the queue does not hold all of these entries' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF grown <> (SELECT count(*) FROM unnest(widths) AS w (width) WHERE w.width = 0)
        OR EXISTS (
            SELECT FROM unnest(levels, indexes, widths, additions) AS a (level, index, width, addition)
            LEFT JOIN audit.tile t ON t.level = a.level AND t.index = a.index
            WHERE octet_length(t.hashes) IS DISTINCT FROM a.width * 32 + octet_length(a.addition)
        )
    THEN
        RAISE EXCEPTION 'the tiles are not as wide as they were' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    PERFORM set_config('audit.acting', '', true);
    RETURN moved;
END;
$$;

REVOKE ALL ON FUNCTION audit.pending(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION
    audit.integrate(bigint, bigint[], bytea[], bytea[], smallint[], bigint[], integer[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.pending(integer) TO svc_audit;
GRANT EXECUTE ON FUNCTION
    audit.integrate(bigint, bigint[], bytea[], bytea[], smallint[], bigint[], integer[], bytea[]) TO svc_audit;
