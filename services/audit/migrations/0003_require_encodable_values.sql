-- What has no canonical encoding (RFC 8785: numbers are IEEE 754, ours below 2^53) could never become a leaf: one such
-- entry would stand in the queue for ever, so it is refused where it is recorded, and its change with it.

CREATE OR REPLACE FUNCTION audit.is_encodable(value jsonb) RETURNS boolean
    LANGUAGE sql
    IMMUTABLE
    PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NOT jsonb_path_exists(value, 'strict $.** ? (@.type() == "number" && (@ >= 9007199254740992 || @ <= -9007199254740992))')
        AND NOT jsonb_path_exists(value, 'strict $.**{64}')
$$;

REVOKE ALL ON FUNCTION audit.is_encodable(jsonb) FROM PUBLIC;

-- NOT VALID: what stands in the queue already has been committed, and is dealt with by the integrator.
ALTER TABLE audit.queue DROP CONSTRAINT IF EXISTS queue_is_encodable;
ALTER TABLE audit.queue ADD CONSTRAINT queue_is_encodable CHECK (
    audit.is_encodable(actor) AND audit.is_encodable(asset) AND audit.is_encodable(source)
    AND coalesce(audit.is_encodable(before), true) AND coalesce(audit.is_encodable(after), true)
    AND coalesce(project BETWEEN 1 AND 9007199254740991, true)
) NOT VALID;

-- Rows come and go here: the beginning of its index must not fill with dead ones.
ALTER TABLE audit.queue SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
