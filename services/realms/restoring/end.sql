-- After a restore: sessions of boards do not live on.

DELETE FROM realms.board_session;
