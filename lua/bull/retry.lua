--- Puts one failed job back to waiting: a person's act.
-- KEYS  P, X
-- ARGV  token, id, lifo 0|1
-- Reply 1 done, 0 no such job, -1 it runs, -2 not failed, -3 it has no body to run
-- Kept  checked before anything is written (Bull clears fields first, Q7); attemptsMade stays, crashes start anew
-- Spec  docs/wire/bull-4.md 8.3 (job.retry)
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/run_again"
local token, id = ARGV[1], ARGV[2]
local key = P .. id
local record = X .. 'job:' .. id
local wrong = expect_types({ key, 'hash', record, 'hash', P .. 'failed', 'zset', P .. 'wait', 'list', P .. 'paused', 'list' })
if wrong then return wrong end
if redis.call('EXISTS', key) == 0 then return 0 end
if redis.call('EXISTS', key .. ':lock') == 1 then return -1 end
if not redis.call('ZSCORE', P .. 'failed', id) then return -2 end
if redis.call('HEXISTS', key, 'data') == 0 then return -3 end
run_again(id, 'failed', ARGV[3] == '1', token)
return 1
