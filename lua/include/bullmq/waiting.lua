--- @include "bullmq/target"
--- @include "bullmq/prioritized"
-- Puts one job among the waiting ones: by its priority, or at the consumers' end, or at the producers'.
local function put_waiting(meta, id, priority, at_consumers_end)
  if priority > 0 then
    push_prioritized(meta.base, id, priority)
  else
    redis.call(at_consumers_end and 'RPUSH' or 'LPUSH', target_list(meta), id)
  end
end
