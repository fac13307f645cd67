-- How many entries are kept, about, and how long (ms; 0 = however old).
local AUDIT_ENTRIES_MAX, AUDIT_AGE_MS = 100000, 0
local function append_entry(log, ...)
  redis.call('XADD', log, 'MAXLEN', '~', AUDIT_ENTRIES_MAX, '*', ...)
  if AUDIT_AGE_MS > 0 then
    redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', redis.call('TIME')[1] * 1000 - AUDIT_AGE_MS))
  end
end
-- Appends to the queue's audit log: what, about which job ('' = the queue), then names and texts. The caller has written
-- before: XADD by itself would be refused when memory is out.
local function log_entry(what, job, ...)
  append_entry(X .. 'audit', 'what', what, 'job', job, ...)
end
-- Notes what a person did: which act, to which job, from which state to which ('' = none), who, from where and why.
local function audit(what, job, was, is, by, from, why)
  log_entry(what, job, 'was', was, 'is', is, 'by', by, 'from', from, 'why', why)
end
