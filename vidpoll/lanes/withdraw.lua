-- withdraw(due, flows, claims; flow, step, [id]...)
--
-- Takes ids out of a lane that were never handed out, and gives their flow back what they cost it.
--
-- KEYS[1]  <lane>:due     see enqueue.lua
-- KEYS[2]  <lane>:flows   see enqueue.lua
-- KEYS[3]  <lane>:claims  see claim.lua
-- ARGV[1]  flow  whose requests these are
-- ARGV[2]  step  what one of them added to the flow's tags
-- ARGV[3…] ids; one that had its turn gives nothing back

local back = 0
for i = 3, #ARGV do
  local score = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or 1e15)
  if score < 1e15 then back = back + tonumber(ARGV[2]) end
  redis.call('ZREM', KEYS[1], ARGV[i])
  redis.call('HDEL', KEYS[3], ARGV[i])
end
-- A flow that is not there owes nothing.
if back > 0 and redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZINCRBY', KEYS[2], string.format('%.0f', -back), ARGV[1])
end
