-- A forwarder's receiver has taken everything before `next`; it never goes back.

CREATE OR REPLACE FUNCTION audit.forwarded(name text, next bigint) RETURNS void
    LANGUAGE sql
    SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO audit.forwarder AS f (name, position) VALUES (forwarded.name, forwarded.next)
        ON CONFLICT (name) DO UPDATE SET position = greatest(f.position, excluded.position)
$$;

REVOKE ALL ON FUNCTION audit.forwarded(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.forwarded(text, bigint) TO svc_audit;
