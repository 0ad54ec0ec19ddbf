-- After a restore: sessions of boards do not live on.

DELETE FROM realms.board_session;

-- Moves that were under way are given up: of rows on their way two servers have been brought back, each up to the same moment, and
-- none of the two copies is gone on with. What the other server has of them is removed there.
DELETE FROM realms.provision_job WHERE kind = 'place' AND done_at IS NULL;
WITH given_up AS (
    UPDATE realms.backend_move SET phase = 'given_up', problem = 'the installation was restored from a backup'
    WHERE phase IN ('asked', 'placed') RETURNING backend_key, to_key
), closed AS (
    INSERT INTO realms.provision_job (kind, backend_key)
        SELECT 'close', b.backend_key FROM given_up JOIN realms.backend b USING (backend_key) WHERE b.state = 'closed'
)
INSERT INTO realms.provision_job (kind, backend_key, cluster_key) SELECT 'leave', backend_key, to_key FROM given_up;

-- A move that was switched just before the moment: each server came to it by its own clock, so that the one that the rows went to may lack
-- the last of them, which the other one still has. They are removed there a day later only; the doctor tells of them until then.
UPDATE realms.provision_job j SET due_at = clock_timestamp() + interval '1 day' FROM realms.backend_move m
    WHERE j.kind = 'leave' AND j.done_at IS NULL AND m.phase = 'moved' AND m.backend_key = j.backend_key AND m.from_key = j.cluster_key;
