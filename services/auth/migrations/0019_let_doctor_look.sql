-- Whoever looks whether all is well: how many messages and notices wait, and since when. Of people nothing.

GRANT USAGE ON SCHEMA auth TO doctor;
GRANT SELECT (number, digest) ON auth.migration TO doctor;
GRANT SELECT (created_at) ON auth.message TO doctor;
GRANT SELECT (next_attempt_at) ON auth.logout_notice TO doctor;
