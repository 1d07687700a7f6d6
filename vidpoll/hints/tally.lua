-- tally(standing; field, half_life) -> nothing
--
-- Counts one more of something that an account's webhooks announced, or that ended; what was counted before weighs half
-- as much after each half-life, so that the counts tell of lately.
--
-- KEYS[1]  vidpoll:hints:<account>   hash: announced, ended (weights as of `at`), at, last (both µs of this Redis)
-- ARGV[1]  field       "announced" or "ended"
-- ARGV[2]  half-life   seconds

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'announced', 'ended', 'at')
local passed = math.max(0, now - tonumber(known[3] or now))
local left = 0.5 ^ (passed / 1000000 / tonumber(ARGV[2]))
local counts = { announced = tonumber(known[1] or 0) * left, ended = tonumber(known[2] or 0) * left }

counts[ARGV[1]] = counts[ARGV[1]] + 1
redis.call('HSET', KEYS[1], 'announced', counts.announced, 'ended', counts.ended, 'at', string.format('%.0f', now))
if ARGV[1] == 'announced' then redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now)) end
redis.call('EXPIRE', KEYS[1], 30 * 24 * 3600)
