--- Puts one finished job back to waiting: a person's act.
-- KEYS  P, X
-- ARGV  token, id, lifo 0|1, state it is in (failed|completed; absent = failed), count its attempts anew 0|1
-- Reply 1 done, 0 no such job, -1 it runs, -2 not in that state, -3 it has no body to run
-- Kept  checked before anything is written; its attempts stay unless asked, crashes start anew; a parent that has noted
--       its end waits for it again
-- Spec  docs/wire/bullmq.md 7.5
--- @include "keys"
--- @include "types"
--- @include "bullmq/remove"
--- @include "bullmq/run_again"
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
run_again(id, state, ARGV[3] == '1', '', ARGV[5] == '1')
return 1
