--- @include "number"
-- What a job's own options say of its end as failed: {keep count, keep age s, most that go by age}; nothing = it stays. Values
-- that break the libraries' own scripts count as absent.
local function keep_failed(opts)
  local ok, decoded = pcall(cjson.decode, opts or '{}')
  local rule = ok and type(decoded) == 'table' and decoded.removeOnFail
  if rule == true then return 0 end
  if type(rule) == 'number' and rule >= 0 and rule < math.huge then return math.floor(rule) end
  if type(rule) == 'table' then
    local count, age, limit = math.floor(number_of(rule.count)), tonumber(rule.age), math.floor(number_of(rule.limit))
    return count > 0 and count or nil, age and age == age and age or nil, limit > 0 and limit or nil
  end
end
