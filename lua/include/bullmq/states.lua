--- @include "bullmq/own_key"
-- The states of a BullMQ job, and the sorted set that ranks those that wait by priority.
local SETS = { 'completed', 'failed', 'delayed', 'prioritized', 'waiting-children' }
local LISTS, RANKED = { 'active', 'wait', 'paused' }, 'prioritized'
