--- @include "zombie_of"
-- Why a job cannot be declared done, as the reply tells it; nil = it can. With a `class` it must have been a zombie of this
-- class for `least_ms`, and one that a run holds is left alone unless `even_if_held` is '1'.
local function not_forceable(id, class, least_ms, even_if_held)
  local key = P .. id
  if is_own_key(id) or redis.call('TYPE', key).ok ~= 'hash' then return { 0, '' } end
  if redis.call('ZSCORE', P .. 'completed', id) then
    local forced = string.sub(redis.call('HGET', key, 'returnvalue') or '', 1, 14) == '{"forced":true'
    return { forced and -2 or -1, 'completed' }
  end
  local zombie = class ~= '' and zombie_of(class, id, tonumber(least_ms))
  if class ~= '' and not zombie then return { -3, '' } end
  if zombie and zombie.held and even_if_held ~= '1' then return { -4, '' } end
end
