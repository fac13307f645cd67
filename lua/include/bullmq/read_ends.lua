--- @include "types"
--- @include "bullmq/parent"
-- What complete and fail read of a job before its end.
-- For each run that holds its job: {parentKey, deid, atm, the field `also`}, or an error where there is no hash; and its
-- parent. The error that comes third says which key of a parent is of the wrong type.
local function read_ends(codes, keys, also)
  local ends, parents, wanted, seen = {}, {}, {}, {}
  local try = redis.pcall
  for i = 1, #codes do
    if codes[i] == 0 then
      local found = also and try('HMGET', keys[i], 'parentKey', 'deid', 'atm', also)
        or try('HMGET', keys[i], 'parentKey', 'deid', 'atm')
      ends[i] = found
      if found[1] then
        parents[i] = parent_of(found[1], redis.call('HGET', keys[i], 'parent'))
        if parents[i] then want_parent(parents[i], wanted, seen) end
      end
    end
  end
  return ends, parents, #wanted > 0 and expect_types(wanted) or nil
end
