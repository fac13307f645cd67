-- Names that are keys of the queue itself, or of another job. No job lives there, whatever a list says: such a key is
-- never moved, written to or deleted for the sake of an id. (`repeat:<scheduler>:<ms>` is a job.)
local OWN = { wait = 1, paused = 1, active = 1, prioritized = 1, pc = 1, delayed = 1, ['waiting-children'] = 1,
  completed = 1, failed = 1, stalled = 1, ['stalled-check'] = 1, marker = 1, limiter = 1, events = 1, id = 1, meta = 1,
  ['repeat'] = 1, priority = 1, delay = 1 }
local OF_A_JOB = { lock = 1, logs = 1, dependencies = 1, processed = 1, failed = 1, unsuccessful = 1 }
local function is_own_key(id)
  if OWN[id] then return true end
  local head, tail = string.match(id, '^(%a+):'), string.match(id, ':(%a+)$')
  return head == 'metrics' or head == 'de' or head == 'dn' or (tail and OF_A_JOB[tail] == 1)
    or (head == 'repeat' and not string.match(id, ':%d+$'))
end
