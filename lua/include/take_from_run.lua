--- @include "wake_up"
-- Takes a job away from the run that holds it, if one does: its late writes find no lock and are refused. `act` is told
-- to the worker, so that it stops the handler at once.
local function take_from_run(id, act)
  local was_held = redis.call('DEL', P .. id .. ':lock') == 1
  redis.call('SREM', X .. 'leases', id)
  redis.call('HDEL', X .. 'leases:stalled', id)
  redis.call('SREM', P .. 'stalled', id)
  if was_held then wake_up(id, act) end
end
