-- What was done in a person's name is theirs to read too.

CREATE INDEX IF NOT EXISTS entry_on_behalf_of ON audit.entry ((actor ->> 'on_behalf_of'), leaf_index)
    WHERE (actor ->> 'on_behalf_of') IS NOT NULL;
