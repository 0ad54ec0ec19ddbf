-- A project that was never brought in whole: what `begin.sql` made goes. An app that it made goes too where nothing else names it; a
-- release that it added to an app that was there stays.

CREATE TEMPORARY TABLE brought ON COMMIT DROP AS
    SELECT k.kind, k.new FROM realms.import_key k JOIN forgetting USING (import_id) WHERE k.kind IN ('app', 'release');
DELETE FROM realms.provision_job j USING realms.backend b, forgetting f
    WHERE b.backend_key = j.backend_key AND b.project_key = f.project_key;
DELETE FROM realms.backend b USING forgetting f WHERE b.project_key = f.project_key;
DELETE FROM realms.project_database d USING forgetting f WHERE d.project_key = f.project_key;
DELETE FROM realms.project_import i USING forgetting f WHERE i.import_id = f.import_id;
DELETE FROM realms.project p USING forgetting f WHERE p.project_key = f.project_key;
DELETE FROM realms.release r USING brought b, realms.app a
    WHERE b.kind = 'release' AND r.release_key = b.new AND a.app_key = r.app_key AND a.is_told
    AND NOT EXISTS (SELECT FROM privileges.asset h WHERE h.kind = 'app' AND h.key = a.app_key)
    AND NOT EXISTS (SELECT FROM realms.import_key k WHERE k.kind = 'release' AND k.new = r.release_key);
DELETE FROM realms.app a USING brought b WHERE b.kind = 'app' AND a.app_key = b.new AND a.is_told
    AND NOT EXISTS (SELECT FROM privileges.asset h WHERE h.kind = 'app' AND h.key = a.app_key)
    AND NOT EXISTS (SELECT FROM realms.import_key k WHERE k.kind = 'app' AND k.new = a.app_key);
