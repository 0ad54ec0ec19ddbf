-- Whoever looks whether all is well: how much other services have still to be told, and since when.

GRANT USAGE ON SCHEMA devices TO doctor;
GRANT SELECT (number, digest) ON devices.migration TO doctor;
GRANT SELECT (due_at) ON devices.outbox, devices.app_ending TO doctor;
