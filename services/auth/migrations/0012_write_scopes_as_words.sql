-- Scopes are words now (`all`, `read@project/3`); who owns a service account is looked up with each of its keys.

UPDATE auth.api_key SET scopes = '{all}' WHERE scopes = '{*}';
