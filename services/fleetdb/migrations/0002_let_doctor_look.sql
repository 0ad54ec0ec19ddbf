-- Whoever looks whether all is well: which migrations ran.

GRANT USAGE ON SCHEMA fleetdb TO doctor;
GRANT SELECT (number, digest) ON fleetdb.migration TO doctor;
