--- Not written yet.
-- KEYS  P, X
-- ARGV  see lua/bull
-- Reply an error
-- Kept  nothing is written
return redis.error_reply('ERR not written yet for BullMQ')
