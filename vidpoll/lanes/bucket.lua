-- bucket(key, rate, burst, recovery) -> paused, tokens, tat, interval, tolerance: the token bucket of a lane
--
-- What claim.lua, take.lua, reserve.lua and hurry.lua share; it stands before each of them, and free.py reads by the same
-- arithmetic. GCRA: the bucket keeps one moment, the theoretical arrival time; in any t seconds at most rate·t + burst
-- calls are granted.
--
-- key       hash: tat            theoretical arrival time, µs
--                 at             when it was written, µs
--                 step           µs a call added to it then
--                 paused_until   no grants before, since the provider asked for it, µs
--                 slow_from      since when the rate grows back after a pause, µs
--                 slow_rate      the rate it grows back from, calls/s
--                 reason         why it was paused, for operators
--                 control, stopped_until, stopped, set_rate, set_burst  what an operator decided, see control.lua
-- rate      calls per second, unless an operator set another
-- burst     calls at once after a rest, unless an operator set another
-- recovery  seconds in which a slowed rate grows by the whole rate
--
-- paused    µs for which nothing is granted, 0 when it is not paused
-- tokens    calls that may be made now; below 0 after the burst became smaller
--
-- What counts is calls owed, (tat - now) / step, which stay the same when the rate changes: a tat from before reckoned
-- anew in calls of another rate would forgive some of them, or ask for too many.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function bucket(key, rate, burst, recovery)
  local found = redis.call('HMGET', key, 'tat', 'at', 'step', 'paused_until', 'slow_from', 'slow_rate', 'stopped_until',
    'set_rate', 'set_burst')
  local paused_until = math.max(tonumber(found[4] or 0), tonumber(found[7] or 0))
  if paused_until > now then return paused_until - now, 0 end
  rate, burst = tonumber(found[8] or rate), tonumber(found[9] or burst)

  if found[6] then
    local grown = tonumber(found[6]) + rate * (now - tonumber(found[5])) / 1000000 / recovery
    if grown < rate then rate = grown else redis.call('HDEL', key, 'paused_until', 'slow_from', 'slow_rate', 'reason') end
  end

  local interval = 1000000 / rate
  local tolerance = burst * interval
  local tat, step = tonumber(found[1] or 0), tonumber(found[3] or interval)
  -- A clock that stepped back leaves a tat far ahead.
  if tat < now or tonumber(found[2] or 0) > now + 10000000 then tat = now end
  if step ~= interval then tat = now + (tat - now) / step * interval end
  return 0, math.floor((now + tolerance - tat) / interval + 0.000001), tat, interval, tolerance
end

local function spend(key, tat, interval, calls)
  redis.call('HSET', key, 'tat', string.format('%.0f', tat + calls * interval), 'at', string.format('%.0f', now),
    'step', string.format('%.17g', interval))
  return tat + calls * interval
end

