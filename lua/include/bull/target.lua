-- Where waiting jobs go now: pausing moves the list, and every push must follow it in the same script.
local function target_list()
  if redis.call('EXISTS', P .. 'meta-paused') == 1 then return P .. 'paused' end
  return P .. 'wait'
end
