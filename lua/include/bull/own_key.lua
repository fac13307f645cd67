-- Names that are keys of the queue itself, or of another job. No job lives there, whatever a list says: such a key is
-- never moved, written to or deleted for the sake of an id.
local OWN = { wait = 1, paused = 1, active = 1, delayed = 1, priority = 1, completed = 1, failed = 1, stalled = 1,
  id = 1, meta = 1, limiter = 1, ['repeat'] = 1, ['meta-paused'] = 1, ['stalled-check'] = 1 }
local function is_own_key(id)
  if OWN[id] then return true end
  local head, tail = string.match(id, '^(%a+):'), string.match(id, ':(%a+)$')
  return head == 'limiter' or head == 'metrics' or head == 'de' or tail == 'lock' or tail == 'logs'
end
