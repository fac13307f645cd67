local AUDIT_ENTRIES_MAX = 100000
-- Notes what a person did: which act, to which job ('' = the queue), from which state to which ('' = none), who, from where
-- and why. The caller has written before: XADD by itself would be refused when memory is out.
local function audit(what, job, was, is, by, from, why)
  redis.call('XADD', X .. 'audit', 'MAXLEN', '~', AUDIT_ENTRIES_MAX, '*',
    'what', what, 'job', job, 'was', was, 'is', is, 'by', by, 'from', from, 'why', why)
end
