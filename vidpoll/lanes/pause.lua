-- pause(bucket; pause, rate, recovery, reason, refused) -> until when the lane is paused, µs
--
-- No grants for `pause`; after it the rate restarts at half of what it was and grows back
-- (additive increase, multiplicative decrease).
--
-- What the provider asks for; an operator's pause is another (control.lua), and neither changes the other.
--
-- KEYS[1]  <lane>:bucket  see bucket.lua
-- ARGV[1]  pause          µs from now; a pause already running is never shortened
-- ARGV[2]  rate           calls per second when not slowed, unless an operator set another
-- ARGV[3]  recovery       seconds in which a slowed rate grows by the whole rate
-- ARGV[4]  reason         what operators read while the pause lasts
-- ARGV[5]  refused        1: calls were refused; 0: it was told beforehand that none are left, so the rate stays

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local rate = tonumber(redis.call('HGET', KEYS[1], 'set_rate') or ARGV[2])
local until_us = now + tonumber(ARGV[1])

local bucket = redis.call('HMGET', KEYS[1], 'paused_until', 'slow_from', 'slow_rate')
local paused_until = tonumber(bucket[1] or 0)

if ARGV[5] == '0' then
  -- Calls under way tell of the same end, in whole seconds: only the first of them pauses.
  if paused_until > now and until_us <= paused_until + 1000000 then return string.format('%.0f', paused_until) end
  redis.call('HSET', KEYS[1], 'paused_until', string.format('%.0f', until_us), 'reason', ARGV[4])
  return string.format('%.0f', until_us)
end

local slow_from = tonumber(bucket[2] or 0)
local slow_rate = tonumber(bucket[3] or rate)
if slow_from <= now then
  -- Several calls under way are refused together: only the first of them halves the rate.
  if bucket[2] then slow_rate = math.min(rate, slow_rate + rate * (now - slow_from) / 1000000 / tonumber(ARGV[3])) end
  slow_rate = math.max(slow_rate / 2, rate / 20)
end
until_us = math.max(until_us, paused_until)

redis.call('HSET', KEYS[1], 'paused_until', string.format('%.0f', until_us),
  'slow_from', string.format('%.0f', until_us), 'slow_rate', tostring(slow_rate), 'reason', ARGV[4])
return string.format('%.0f', until_us)
