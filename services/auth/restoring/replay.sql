-- After a restore: what was ended, rotated and erased since the backup is so again; `ledger` is what was written down.
-- Where an entry does not say which of several things it was about, all of them go.

UPDATE auth.api_key k SET ended_at = l.at, ended_because = 'ended before the restore'
    FROM ledger l WHERE l.action = 'api_key.ended' AND l.key = k.key_id AND k.ended_at IS NULL;
UPDATE auth.api_key k SET ends_at = least(k.ends_at, (l.after ->> 'ends_at')::timestamptz)
    FROM ledger l WHERE l.action = 'api_key.rotated' AND l.key = k.key_id AND l.after ? 'ends_at';

-- The last word of each account counts.
UPDATE auth.account a SET state = 'disabled', disabled_at = l.at, disabled_because = 'disabled before the restore'
    FROM (SELECT DISTINCT ON (key) key, action, at FROM ledger
        WHERE action IN ('account.disabled', 'account.enabled') ORDER BY key, place DESC) l
    WHERE l.action = 'account.disabled' AND l.key = a.account_key::text AND a.state = 'active';

UPDATE auth.account a SET password_hash = NULL, password_changed_at = NULL
    FROM ledger l WHERE l.action IN ('password.changed', 'password.reset') AND l.kind = 'account'
    AND l.key = a.account_key::text;
DELETE FROM auth.totp t USING ledger l
    WHERE l.action IN ('totp.removed', 'totp.enrolled') AND l.key = t.account_key::text;
DELETE FROM auth.passkey p USING ledger l WHERE l.action = 'passkey.removed' AND l.key = p.account_key::text;
DELETE FROM auth.recovery_code c USING ledger l
    WHERE l.action IN ('recovery_code.used', 'recovery_codes.renewed') AND l.key = c.account_key::text;
DELETE FROM auth.upstream_link u USING ledger l WHERE l.action = 'upstream.unlinked' AND l.key = u.account_key::text;

-- A device whose secret was replaced has to be flashed again: the new one is lost, and the old one may be stolen. So
-- has one that was moved: it would be back in the project that it was taken from, with a secret that opens it.
UPDATE auth.device_credential c SET state = 'ended', ended_at = l.at
    FROM ledger l WHERE l.action IN ('device_credential.ended', 'device_credential.issued', 'device_credential.moved')
    AND l.kind = 'device' AND l.key = c.device_key::text AND c.issued_at < l.at AND c.state = 'active';
INSERT INTO auth.app_credential AS c (device_key, app_key, stage, epoch, rotated_at)
    SELECT l.key::bigint, (l.after ->> 'app_key')::bigint, l.after ->> 'stage', max((l.after ->> 'epoch')::bigint), max(l.at)
    FROM ledger l JOIN auth.device_credential d ON d.device_key::text = l.key
    WHERE l.action = 'app_credential.rotated' GROUP BY 1, 2, 3
    ON CONFLICT (device_key, app_key, stage) DO UPDATE
    SET epoch = greatest(c.epoch, excluded.epoch), rotated_at = greatest(c.rotated_at, excluded.rotated_at);

UPDATE auth.client c SET ended_at = l.at
    FROM ledger l WHERE l.action = 'client.ended' AND l.key = c.client_id AND c.ended_at IS NULL;
DELETE FROM auth.consent c USING ledger l
    WHERE l.action = 'consent.revoked' AND l.key = c.client_id AND l.actor = c.account_key;

-- Erased people are erased again: the key that opens what the log says of them, and every trace.
CREATE TEMPORARY TABLE erased_again ON COMMIT DROP AS
    SELECT a.account_key, min(l.at) AS at FROM ledger l JOIN auth.account a ON a.account_key::text = l.key
    WHERE l.action IN ('account.erased', 'service_account.ended') AND l.kind = 'account' AND a.erased_at IS NULL
    GROUP BY a.account_key;
DELETE FROM auth.person_key x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.session x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.totp x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.recovery_code x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.passkey x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.link x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.consent x USING erased_again e WHERE x.account_key = e.account_key;
DELETE FROM auth.upstream_link x USING erased_again e WHERE x.account_key = e.account_key;
UPDATE auth.api_key x SET ended_at = coalesce(x.ended_at, e.at), name = 'erased', last_address = NULL, ended_because = NULL
    FROM erased_again e WHERE x.account_key = e.account_key;
UPDATE auth.account a SET login_name = 'erased-' || a.account_key, login_canonical = 'erased-' || a.account_key,
    state = 'disabled', erased_at = e.at, display_name = '', password_hash = NULL, password_changed_at = NULL,
    verified_at = NULL, disabled_because = NULL, user_handle = gen_random_uuid()
    FROM erased_again e WHERE a.account_key = e.account_key;
