-- Whoever looks whether all is well: which migrations ran.

GRANT USAGE ON SCHEMA gateway TO doctor;
GRANT SELECT (number, digest) ON gateway.migration TO doctor;
