-- Whoever looks whether all is well: how many tunnels are open to anybody.

GRANT USAGE ON SCHEMA tunnels TO doctor;
GRANT SELECT (number, digest) ON tunnels.migration TO doctor;
GRANT SELECT (public_since, public_until) ON tunnels.tunnel TO doctor;
