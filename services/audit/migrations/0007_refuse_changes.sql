-- Nobody changes what was recorded, the tables' owner included, except inside the functions that follow. A superuser
-- can switch a trigger off: what they do then is found by verification, not prevented here.

CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The functions say what they are about in a setting, for as long as they run; TG_ARGV is who may.
    IF TG_NARGS = 0 OR current_setting('audit.acting', true) IS DISTINCT FROM TG_ARGV[0] THEN
        RAISE EXCEPTION '% of audit.% is refused', lower(TG_OP), TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END;
$$;

CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON audit.queue
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_delete BEFORE DELETE ON audit.queue
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('integrate');
CREATE OR REPLACE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON audit.entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_insert BEFORE INSERT ON audit.entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('integrate');
CREATE OR REPLACE TRIGGER refuse_update BEFORE UPDATE ON audit.entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('redact');
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.leaf
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_insert BEFORE INSERT ON audit.leaf
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('integrate');
CREATE OR REPLACE TRIGGER refuse_change BEFORE DELETE OR TRUNCATE ON audit.tile
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_write BEFORE INSERT OR UPDATE ON audit.tile
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('integrate');
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_insert BEFORE INSERT ON audit.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('publish');
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.cosignature
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.redaction
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change();
CREATE OR REPLACE TRIGGER refuse_insert BEFORE INSERT ON audit.redaction
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change('redact');
