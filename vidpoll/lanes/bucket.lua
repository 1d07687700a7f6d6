-- bucket(key, rate, burst, recovery) -> paused, tokens, tat, interval, tolerance: the token bucket of a lane
--
-- What claim.lua, take.lua and hurry.lua share; it stands before each of them. GCRA: the bucket keeps one moment, the
-- theoretical arrival time; in any t seconds at most rate·t + burst calls are granted.
--
-- key       hash: tat           theoretical arrival time, µs
--                 paused_until  no grants before, µs
--                 slow_from     since when the rate grows back after a pause, µs
--                 slow_rate     the rate it grows back from, calls/s
--                 reason        why it was paused, for operators
-- rate      calls per second
-- burst     calls at once after a rest
-- recovery  seconds in which a slowed rate grows by the whole rate
--
-- paused    µs for which nothing is granted, 0 when it is not paused
-- tokens    calls that may be made now

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function bucket(key, rate, burst, recovery)
  local found = redis.call('HMGET', key, 'tat', 'paused_until', 'slow_from', 'slow_rate')
  local paused_until = tonumber(found[2] or 0)
  if paused_until > now then return paused_until - now, 0 end

  if found[4] then
    local grown = tonumber(found[4]) + rate * (now - tonumber(found[3])) / 1000000 / recovery
    if grown < rate then rate = grown else redis.call('HDEL', key, 'paused_until', 'slow_from', 'slow_rate', 'reason') end
  end

  local interval = 1000000 / rate
  local tolerance = burst * interval
  local tat = tonumber(found[1] or 0)
  -- A clock that stepped back leaves a tat far ahead; no honest one is further than the burst and one batch of calls.
  if tat < now or tat > now + tolerance + 10000000 then tat = now end
  return 0, math.floor((now + tolerance - tat) / interval + 0.000001), tat, interval, tolerance
end

local function spend(key, tat, interval, calls)
  redis.call('HSET', key, 'tat', string.format('%.0f', tat + calls * interval))
  return tat + calls * interval
end

