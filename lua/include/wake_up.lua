-- How many wake-ups are kept; whoever missed more than that looks at the records.
local WAKE_UPS_MAX = 1000
-- Tells the worker that runs this job to look at it now: somebody has cancelled it, or taken it away.
local function wake_up(id, act)
  redis.call('XADD', X .. 'cancel', 'MAXLEN', '~', WAKE_UPS_MAX, '*', 'job', id, 'act', act)
end
