-- The only clock of all scripts: Redis' own, in ms since the epoch. Replaying golden vectors swaps this fragment.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
