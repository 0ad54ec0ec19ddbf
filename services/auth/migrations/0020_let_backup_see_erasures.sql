-- Whoever was erased since a restore is left out of the keys of people that are kept of before it (deploy/backup/person_keys.py).

GRANT SELECT (account_key, erased_at) ON auth.account TO backup;
