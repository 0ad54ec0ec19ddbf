-- Whoever looks whether all is well: how far the log is, what waits, who vouches; of entries, whether a change that was meant has an outcome.

GRANT USAGE ON SCHEMA audit TO doctor;
GRANT SELECT (number, digest) ON audit.migration TO doctor;
GRANT SELECT (recorded_at) ON audit.queue TO doctor;
GRANT SELECT (leaf_index, recorded_at, asset, outcome) ON audit.entry TO doctor;
GRANT SELECT (number, size, published_at) ON audit.checkpoint TO doctor;
GRANT SELECT (checkpoint) ON audit.cosignature TO doctor;
