-- After a restore: an answer that was kept for a repeated request is of a time that is gone.

DELETE FROM gateway.answer;
