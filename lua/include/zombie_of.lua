--- @include "number"
-- What makes a job a zombie (docs/zombies.md). `job`: its id, the states it is in, the type of its key, is it held.

-- The last sign of life that is written down anywhere: when its run began, or a callback was heard.
local function last_sign(id)
  local began, beat = redis.pcall('HGET', P .. id, 'processedOn'), redis.pcall('HGET', X .. 'job:' .. id, 'beat')
  local function ms(found) return type(found) == 'string' and number_of(found) or 0 end
  return math.max(ms(began), ms(beat))
end
local ZOMBIE = {
  active_without_lease = function(job) return job.times.active and job.kind == 'hash' and not job.held end,
  silent = function(job, before)
    return job.times.active and job.kind == 'hash' and job.held and last_sign(job.id) <= before
  end,
  overdue = function(job, before)
    return job.times.delayed and job.kind == 'hash' and number_of(redis.call('ZSCORE', P .. 'delayed', job.id)) / 4096 <= before
  end,
  active_without_hash = function(job) return job.times.active and job.kind == 'none' end,
  two_states = function(job) return #job.names > 1 and job.kind == 'hash' end,
  orphan_hash = function(job) return #job.names == 0 and job.kind == 'hash' end,
}
-- The job as it stands, if it is a zombie of this class that has been one for `least_ms`.
local function zombie_of(class, id, least_ms)
  if is_own_key(id) or not ZOMBIE[class] then return nil end
  local job = { id = id, kind = kind_of(id), held = is_held(id) }
  job.names, job.times = places_of(id)
  return ZOMBIE[class](job, now - least_ms) and job or nil
end
