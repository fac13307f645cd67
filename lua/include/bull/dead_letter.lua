--- @include "types"
--- @include "bull/add"
local function copy_misfit()
  return expect_types({ P .. 'id', 'string', P .. 'wait', 'list', P .. 'paused', 'list' }) or refuse_adds(#ARGV + 1, 1)
end
local function add_copy(name, data, opts, token, now)
  return (add_job({ id = '', name = name, data = data, opts_head = opts, opts_tail = '', timestamp = '', delay = '0',
    priority = '0', lifo = '0', deid = '', de_ttl = '' }, token, now))
end
--- @include "dead_letter"
