--- Stores what the next attempt of a job starts from, or notes a callback's sign of life.
-- KEYS  P, X
-- ARGV  id, token, checkpoint (JSON; '' = leave it), beat 0|1
-- Reply 0, or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "fence"
--- @include "record"
local id, token = ARGV[1], ARGV[2]
local code = refused(id, token)
if code then return code end
local wrong = expect_types({ X .. 'job:' .. id, 'hash' })
if wrong then return wrong end
local record = own_record(id)
if ARGV[3] ~= '' then redis.call('HSET', record, 'checkpoint', ARGV[3]) end
if ARGV[4] == '1' then redis.call('HSET', record, 'beat', now, 'beat:token', token) end
return 0
