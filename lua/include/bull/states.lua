--- @include "bull/own_key"
-- The states of a Bull job, and the sorted set that ranks those that wait by priority.
local SETS, LISTS, RANKED = { 'completed', 'failed', 'delayed' }, { 'active', 'wait', 'paused' }, 'priority'
