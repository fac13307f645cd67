local function kind_of(id) return redis.call('TYPE', P .. id).ok end
local function is_held(id) return redis.call('EXISTS', P .. id .. ':lock') == 1 end
-- How many wake-ups are kept; whoever missed more than that looks at the records.
local WAKE_UPS_MAX = 1000
-- Takes a job away from the run that holds it, if one does: its late writes find no lock and are refused. `act` is told
-- to the worker, so that it stops the handler at once.
local function take_from_run(id, act)
  local was_held = redis.call('DEL', P .. id .. ':lock') == 1
  redis.call('SREM', X .. 'leases', id)
  redis.call('HDEL', X .. 'leases:stalled', id)
  redis.call('SREM', P .. 'stalled', id)
  if was_held then redis.call('XADD', X .. 'cancel', 'MAXLEN', '~', WAKE_UPS_MAX, '*', 'job', id, 'act', act) end
end
