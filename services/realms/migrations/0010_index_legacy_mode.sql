-- Projects whose way of letting old containers in may be over by its date.

CREATE INDEX IF NOT EXISTS project_by_legacy_end ON realms.project (legacy_until) WHERE legacy_mode <> 'strict';
