-- After a restore: whoever was signed in is not any more, and no code of before opens anything (decision 33).

UPDATE auth.session SET ended_at = clock_timestamp(), ended_because = 'the installation was restored' WHERE ended_at IS NULL;
UPDATE auth.token_family SET ended_at = clock_timestamp(), ended_because = 'the installation was restored' WHERE ended_at IS NULL;
UPDATE auth.board_ticket SET ended_at = clock_timestamp() WHERE ended_at IS NULL;
UPDATE auth.link SET used_at = clock_timestamp() WHERE used_at IS NULL;
DELETE FROM auth.refresh_token;
DELETE FROM auth.authorization_code;
DELETE FROM auth.device_code;
DELETE FROM auth.sign_in;
DELETE FROM auth.upstream_request;
DELETE FROM auth.upstream_offer;
DELETE FROM auth.upstream_session;
DELETE FROM auth.known_browser;
-- Messages carry links, which are ended.
DELETE FROM auth.message;

-- A code that was seen before now opens nothing: RFC 6238 section 4, steps of 30 seconds.
UPDATE auth.totp SET last_step = greatest(last_step, floor(extract(epoch FROM clock_timestamp()) / 30)::bigint),
    pending_sealed = NULL, pending_until = NULL;

-- Tokens and assertions that were signed before verify no more: new keys are made at the next start.
DELETE FROM auth.signing_key;
DELETE FROM auth.assertion_key;
