-- An erased account keeps its key and nothing of the person; names of that form are kept free for them.

ALTER TABLE auth.account ADD COLUMN IF NOT EXISTS erased_at timestamptz;

ALTER TABLE auth.account DROP CONSTRAINT IF EXISTS account_erased_is_disabled;
ALTER TABLE auth.account ADD CONSTRAINT account_erased_is_disabled CHECK (erased_at IS NULL OR state = 'disabled');

ALTER TABLE auth.account DROP CONSTRAINT IF EXISTS account_erased_has_no_name;
ALTER TABLE auth.account ADD CONSTRAINT account_erased_has_no_name CHECK (
    (erased_at IS NULL AND login_canonical NOT LIKE 'erased-%')
    OR (erased_at IS NOT NULL AND login_name = 'erased-' || account_key AND login_canonical = login_name)
);

CREATE INDEX IF NOT EXISTS account_by_erasure ON auth.account (erased_at) WHERE erased_at IS NOT NULL;
