-- control(bucket; version, stop, stopped, set_rate, set_burst, rate) -> 1 when it was written, else 0
--
-- What an operator decided of a lane, copied from its row in account_controls. An older version, or the one that is there,
-- changes nothing, so whoever read the row before somebody else changed it takes nothing back.
--
-- KEYS[1]  <lane>:bucket  see bucket.lua; of its fields, these are written here:
--            control        version of the row this was copied from; 0 where there is no row
--            stopped_until  nothing is granted before, µs; 9e15 (the year 2255) for a pause without an end
--            stopped        who paused it, why, since when, as JSON
--            set_rate       calls per second in place of the account's
--            set_burst      calls at once after a rest in place of the account's
-- ARGV[1]  version
-- ARGV[2]  stop           µs from now for which nothing is granted; 0: it is not paused; -1: without an end
-- ARGV[3]  stopped        JSON
-- ARGV[4]  set_rate       "" for the account's own
-- ARGV[5]  set_burst      "" for the account's own
-- ARGV[6]  rate           the account's own

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local known = redis.call('HMGET', KEYS[1], 'control', 'tat', 'step', 'at')
if known[1] and tonumber(known[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'control', ARGV[1])

local stop = tonumber(ARGV[2])
if stop == 0 then
  redis.call('HDEL', KEYS[1], 'stopped_until', 'stopped')
else
  local stopped_until = 9e15
  if stop > 0 then stopped_until = now + stop end
  redis.call('HSET', KEYS[1], 'stopped_until', string.format('%.0f', stopped_until), 'stopped', ARGV[3])
end

local rate = tonumber(ARGV[6])
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], 'set_rate', 'set_burst')
else
  rate = tonumber(ARGV[4])
  redis.call('HSET', KEYS[1], 'set_rate', ARGV[4], 'set_burst', ARGV[5])
end

-- Calls owed up to now are paid back at the new rate from now on, not at the old one until the next call.
local tat, step = tonumber(known[2] or 0), tonumber(known[3] or 0)
local interval = 1000000 / rate
-- A clock that stepped back leaves a tat far ahead, which bucket.lua finds by the `at` from then.
local stepped_back = tonumber(known[4] or 0) > now + 10000000
if not stepped_back and tat > now and step > 0 and step ~= interval then
  redis.call('HSET', KEYS[1], 'tat', string.format('%.0f', now + (tat - now) / step * interval),
    'at', string.format('%.0f', now), 'step', string.format('%.17g', interval))
end
return 1
