-- After a restore without a ledger: nobody knows who was taken out since the backup, so everybody but the first owner
-- waits behind a lock until it is ended by hand, and so does every API key but the first owner's.

INSERT INTO privileges.lock (kind, key, reason, is_operators, created_by, created_at)
    SELECT 'person', a.account_key::text, 'REASON', true, o.account_key, clock_timestamp()
    FROM auth.account a, (SELECT min(account_key) AS account_key FROM auth.account WHERE is_first_owner) o
    WHERE a.erased_at IS NULL AND NOT a.is_first_owner
    -- One that ends by itself, or has ended, does not keep them out until somebody says so.
    ON CONFLICT (kind, key) DO UPDATE SET lock_key = DEFAULT, ends_at = NULL, reason = excluded.reason, is_operators = true,
        created_by = excluded.created_by, created_at = excluded.created_at WHERE lock.ends_at IS NOT NULL;
INSERT INTO privileges.lock (kind, key, reason, is_operators, created_by, created_at)
    SELECT 'api_key', k.key_id, 'REASON', true, a.account_key, clock_timestamp()
    FROM auth.api_key k JOIN auth.account a ON a.account_key = k.account_key
    WHERE k.ended_at IS NULL AND k.ends_at > clock_timestamp() AND a.is_first_owner
    AND k.created_at > (SELECT min(created_at) FROM auth.api_key f WHERE f.account_key = a.account_key)
    -- One that ends by itself, or has ended, does not keep them out until somebody says so.
    ON CONFLICT (kind, key) DO UPDATE SET lock_key = DEFAULT, ends_at = NULL, reason = excluded.reason, is_operators = true,
        created_by = excluded.created_by, created_at = excluded.created_at WHERE lock.ends_at IS NOT NULL;
UPDATE privileges.stream SET position = position + 1;
