-- Names that are keys of the queue itself, or of another job (docs/wire/bullmq.md 1). No job lives there, whatever a
-- list says: such a key is never moved, written to or deleted for the sake of an id.
local OWN = { wait = 1, paused = 1, active = 1, delayed = 1, prioritized = 1, pc = 1, completed = 1, failed = 1,
  stalled = 1, id = 1, meta = 1, marker = 1, limiter = 1, events = 1, ['repeat'] = 1, ['waiting-children'] = 1,
  ['stalled-check'] = 1 }
local OF_A_JOB = { lock = 1, logs = 1, dependencies = 1, processed = 1, failed = 1, unsuccessful = 1 }
local function is_own_key(id)
  if OWN[id] or id == '0' then return true end
  local head, tail = string.match(id, '^([^:]*):'), string.match(id, ':([^:]*)$')
  if not head then return false end
  -- A scheduler's record is `repeat:<id>`; with a time behind it is one of its iterations, a job.
  if head == 'repeat' then return not string.match(id, '^repeat:.+:%d+$') end
  return head == '0' or head == 'metrics' or head == 'de' or head == 'dn' or OF_A_JOB[tail] == 1
end
