-- Whoever looks whether all is well: how many locks there are of a restore that nobody has confirmed. Whose they are it is not told.

GRANT USAGE ON SCHEMA privileges TO doctor;
GRANT SELECT (number, digest) ON privileges.migration TO doctor;
GRANT SELECT (reason, ends_at) ON privileges.lock TO doctor;
