-- After a restore: what was taken back from the public, or withdrawn, is open to nobody without an account.

UPDATE tunnels.tunnel t SET public_since = NULL, public_until = NULL
    FROM ledger l WHERE l.action IN ('tunnel.unpublished', 'tunnel.withdrawn') AND l.key = t.device_key::text
    AND l.after ->> 'app' = t.app AND (l.after ->> 'port')::integer = t.port AND l.after ->> 'protocol' = t.protocol;
