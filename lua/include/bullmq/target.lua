--- @include "bullmq/meta"
-- Where a waiting job goes now. While a queue is paused that is `paused` if a 5.x library may resume it: it renames that
-- list over `wait` (docs/wire/bullmq.md 15.1). The answer is kept: a script does not pause.
local function target_list(meta)
  if not meta.target then
    local beside = meta.paused and (meta.five or redis.call('EXISTS', meta.base .. 'paused') == 1)
    meta.target = meta.base .. (beside and 'paused' or 'wait')
  end
  return meta.target
end
