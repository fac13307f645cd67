-- The state that a job is in, in the order in which the libraries look (docs/wire/bull-4.md 1.1, docs/wire/bullmq.md 1.2);
-- nil = no list names it. A key of another type holds no jobs.
local function state_of(id)
  for _, set in ipairs({ 'completed', 'failed', 'delayed', 'prioritized', 'waiting-children' }) do
    if type(redis.pcall('ZSCORE', P .. set, id)) == 'string' then return set end
  end
  if type(redis.pcall('LPOS', P .. 'active', id)) == 'number' then return 'active' end
  if type(redis.pcall('LPOS', P .. 'wait', id)) == 'number' then return 'waiting' end
  if type(redis.pcall('LPOS', P .. 'paused', id)) == 'number' then return 'paused' end
end
