-- After a restore: what a project lets an app read no more stays so.

UPDATE realms.app_access a SET is_granted = false, granted_at = NULL
    FROM ledger l WHERE l.action = 'app_access.revoked' AND l.key = a.app_key::text AND l.project = a.project_key
    AND l.before ->> 'provider' = a.provider;
UPDATE realms.project p SET owner_account_key = (l.after ->> 'owner_account_key')::bigint, is_told = false
    FROM (SELECT DISTINCT ON (key) key, after FROM ledger
        WHERE action = 'ownership.transferred' AND kind = 'project' ORDER BY key, place DESC) l
    WHERE l.key = p.project_key::text;
UPDATE realms.app a SET owner_account_key = (l.after ->> 'owner_account_key')::bigint, is_told = false,
    revision = a.revision + 1
    FROM (SELECT DISTINCT ON (key) key, after FROM ledger
        WHERE action = 'ownership.transferred' AND kind = 'app' ORDER BY key, place DESC) l
    WHERE l.key = a.app_key::text;
