--- Puts one finished job back to waiting: a person's act.
-- KEYS  P, X
-- ARGV  token, id, lifo 0|1, state it is in (failed|completed; absent = failed), count its attempts anew 0|1
-- Reply 1 done, 0 no such job, -1 it runs, -2 not in that state, -3 it has no body to run
-- Kept  checked before anything is written; its attempts stay unless asked, crashes start anew; a parent that has noted
--       its end waits for it again
-- Spec  docs/wire/bullmq.md 7.5
--- @include "keys"
--- @include "types"
--- @include "number"
--- @include "bullmq/remove"
--- @include "bullmq/reprocess"
--- @include "bullmq/waiting"
local id, state = ARGV[2], ARGV[4] == 'completed' and 'completed' or 'failed'
local key, record = P .. id, X .. 'job:' .. id
if is_own_key(id) then return 0 end
local wanted = removal_types(P, { key, 'hash', record, 'hash' })
local wrong = expect_types(wanted) or parents_misfit(P, { id })
if wrong then return wrong end
if redis.call('EXISTS', key) == 0 then return 0 end
if redis.call('EXISTS', key .. ':lock') == 1 then return -1 end
if not redis.call('ZSCORE', P .. state, id) then return -2 end
if redis.call('HEXISTS', key, 'data') == 0 then return -3 end
redis.call('HDEL', key, 'finishedOn', 'processedOn', state == 'failed' and 'failedReason' or 'returnvalue')
if ARGV[5] == '1' then redis.call('HDEL', key, 'atm', 'ats') end
redis.call('ZREM', P .. state, id)
redis.call('HDEL', record, 'crashes', 'reason', 'buried_at', 'cancel', 'cancelled')
local meta = read_meta(P)
-- 5.x does not look at the priority here.
local priority = not meta.five and number_of(redis.call('HGET', key, 'priority')) or 0
put_waiting(meta, id, priority, ARGV[3] == '1')
mark_ready(meta)
restore_dependency(key)
emit(meta, 'waiting', 'jobId', id, 'prev', state)
return 1
