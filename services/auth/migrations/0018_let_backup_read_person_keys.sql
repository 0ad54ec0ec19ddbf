-- Keys of people are backed up apart from everything else, in one place that is replaced each time: by the login that could read the
-- whole cluster anyway. They are sealed by keys in a file, which it does not have from here.

GRANT USAGE ON SCHEMA auth TO backup;
GRANT SELECT ON auth.person_key TO backup;
