-- After a restore: nobody visits any more, and no ticket and no browser of before opens a tunnel.

UPDATE tunnels.visit SET ended_at = clock_timestamp(), cause = 'restored' WHERE ended_at IS NULL;
DELETE FROM tunnels.ticket;
DELETE FROM tunnels.browser;
DELETE FROM tunnels.node_session;
