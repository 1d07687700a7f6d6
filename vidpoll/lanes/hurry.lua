-- hurry(due, bucket, hurried, claims; rate, burst, recovery, share, share_burst, head_start, id)
--
-- Has an id looked at soon, since somebody asked. As long as such ids keep to a share of the lane's calls, it overtakes
-- all that waits; past that it is due now, behind what is overdue. It is never put later than it was. Follows bucket.lua.
--
-- KEYS[1]  <lane>:due      zset: id -> when it is due, µs
-- KEYS[2]  <lane>:bucket   see bucket.lua; read for the lane's present rate, nothing is spent
-- KEYS[3]  <lane>:hurried  a bucket of the same kind: what may overtake
-- KEYS[4]  <lane>:claims   see claim.lua
-- ARGV[1]  rate         calls per second
-- ARGV[2]  burst        calls at once after a rest
-- ARGV[3]  recovery     seconds in which a slowed rate grows by the whole rate
-- ARGV[4]  share        ids that may overtake, for every call
-- ARGV[5]  share_burst  ids that may overtake at once after a rest
-- ARGV[6]  head start   µs an id is put before its time to overtake
-- ARGV[7]  id

local recovery, id = tonumber(ARGV[3]), ARGV[7]
local front = now - tonumber(ARGV[6])
local score = tonumber(redis.call('ZSCORE', KEYS[1], id) or now)
if score <= front then return end
-- It is handed out, and is being looked at right now.
if score > now and redis.call('HEXISTS', KEYS[4], id) == 1 then return end

local moment = now
local paused, _, _, interval = bucket(KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]), recovery)
if paused == 0 then
  local _, tokens, tat, step = bucket(KEYS[3], tonumber(ARGV[4]) * 1000000 / interval, tonumber(ARGV[5]), recovery)
  if tokens > 0 then
    spend(KEYS[3], tat, step, 1)
    moment = front
  end
end
redis.call('ZADD', KEYS[1], 'LT', string.format('%.0f', moment), id)
