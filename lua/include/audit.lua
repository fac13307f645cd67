-- How many entries are kept, about. How long, where that is bounded, is put in with the config (src/store/script.rs).
local AUDIT_ENTRIES_MAX = 100000
local function append_entry(log, ...)
  redis.call('XADD', log, 'MAXLEN', '~', AUDIT_ENTRIES_MAX, '*', ...)
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
