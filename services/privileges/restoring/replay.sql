-- After a restore: rights that were taken since the backup are taken again, locks that were set stand again, and nobody
-- is owner or member who was not any more. `ledger` is what was written down. The history gets its lines.

UPDATE privileges.stream SET position = position + 1;

CREATE TEMPORARY TABLE taken_again ON COMMIT DROP AS
    SELECT DISTINCT h.* FROM privileges.held_flag h JOIN ledger l ON
        (l.action = 'flag.taken' AND l.kind = h.kind AND l.key = h.asset_key::text
            AND (l.before ->> 'account_key')::bigint = h.account_key AND l.before ->> 'flag' = h.flag)
        OR (l.action IN ('membership.removed', 'membership.left', 'rights.erased') AND h.domain_kind = l.kind
            AND h.domain_key::text = l.key AND (l.after ->> 'account_key')::bigint = h.account_key)
        OR (l.action = 'account.erased' AND l.kind = 'account' AND l.key = h.account_key::text);
DELETE FROM privileges.held_flag h USING taken_again t WHERE h.grant_key = t.grant_key;
INSERT INTO privileges.change (at, position, what, is_on, domain_kind, domain_key, account_key, kind, asset_key, flag,
        grant_key, ends_at, is_visit, reason)
    SELECT clock_timestamp(), s.position, 'grant', false, t.domain_kind, t.domain_key, t.account_key, t.kind, t.asset_key,
        t.flag, t.grant_key, t.ends_at, t.is_visit, 'taken before the restore'
    FROM taken_again t, privileges.stream s;

CREATE TEMPORARY TABLE gone_again ON COMMIT DROP AS
    SELECT DISTINCT m.project_key, m.account_key FROM privileges.member m JOIN ledger l ON
        (l.action IN ('membership.removed', 'membership.left', 'rights.erased') AND l.kind = 'project'
            AND l.key = m.project_key::text AND (l.after ->> 'account_key')::bigint = m.account_key)
        OR (l.action = 'account.erased' AND l.kind = 'account' AND l.key = m.account_key::text);
DELETE FROM privileges.member m USING gone_again g WHERE (m.project_key, m.account_key) = (g.project_key, g.account_key);
INSERT INTO privileges.change (at, position, what, is_on, domain_kind, domain_key, account_key, reason)
    SELECT clock_timestamp(), s.position, 'member', false, 'project', g.project_key, g.account_key, 'gone before the restore'
    FROM gone_again g, privileges.stream s;

DELETE FROM privileges.default_flag d USING ledger l
    WHERE l.action = 'flag.default_unset' AND l.key = d.project_key::text AND l.before ->> 'kind' = d.kind
    AND l.before -> 'flags' ? d.flag;
DELETE FROM privileges.invitation i USING ledger l
    WHERE l.action = 'membership.withdrawn' AND l.key = i.project_key::text;
DELETE FROM privileges.transfer t USING ledger l
    WHERE l.action = 'ownership.transferred' AND l.kind = 'project' AND l.key = t.project_key::text;

-- The newest owner of each; what realms shows follows by itself.
UPDATE privileges.domain d SET owner_account_key = (l.after ->> 'owner_account_key')::bigint
    FROM (SELECT DISTINCT ON (kind, key) kind, key, after FROM ledger
        WHERE action = 'ownership.transferred' ORDER BY kind, key, place DESC) l
    WHERE l.kind = d.kind AND l.key = d.key::text;

-- The last word of each lock counts.
INSERT INTO privileges.lock (kind, key, ends_at, reason, is_operators, created_by, created_at)
    SELECT CASE l.kind WHEN 'account' THEN 'person' ELSE l.kind END, l.key, (l.after ->> 'ends_at')::timestamptz,
        'set before the restore', true, coalesce(l.actor, 0), l.at
    FROM (SELECT DISTINCT ON (kind, key) * FROM ledger
        WHERE action IN ('lock.created', 'lock.ended') ORDER BY kind, key, place DESC) l
    WHERE l.action = 'lock.created' AND l.kind IN ('account', 'device', 'api_key', 'project')
    -- One of the backup may end sooner than what was set since.
    ON CONFLICT (kind, key) DO UPDATE SET lock_key = DEFAULT, ends_at = excluded.ends_at, reason = excluded.reason,
        is_operators = true, created_by = excluded.created_by, created_at = excluded.created_at;
