-- claim(due, bucket, in_flight, claims; rate, burst, want, batch, lease, max_in_flight, recovery) -> {now, wait, alone, id...}
--
-- Hands out due ids together with the tokens to call for them. A token is one call; a call carries up to `batch` ids.
--
-- KEYS[1]  <lane>:due        zset: id -> when it is due, µs
-- KEYS[2]  <lane>:bucket     see bucket.lua, which stands before this
-- KEYS[3]  <lane>:in_flight  zset: id -> until when its place is held, µs (used only where max_in_flight > 0)
-- KEYS[4]  <lane>:claims     hash: id -> how often it was handed out since it was last scheduled
-- ARGV[1]  rate           calls per second
-- ARGV[2]  burst          calls at once after a rest; in any t seconds at most rate·t + burst are granted
-- ARGV[3]  want           most ids to hand out
-- ARGV[4]  batch          ids one call can carry
-- ARGV[5]  lease          µs after which a handed out id is due again, should its worker die
-- ARGV[6]  max_in_flight  most generations of the account at the provider; 0: no limit
-- ARGV[7]  recovery       seconds in which a slowed rate grows by the whole rate
--
-- An id that was handed out and did not come back may have ended its worker. It is handed out alone from then on, with a
-- token of its own, so that no others suffer with it; its lease is up to twice as long, by its id, so that those that
-- were lost together part; and from its fourth time on its lease doubles, up to an hour.
--
-- now   this Redis' clock, µs
-- wait  µs until a claim could hand out something; -1: the lane is empty, or its places are all taken
-- alone how many of the ids, the first ones, are to be called for alone

local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, batch, lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local max_in_flight = tonumber(ARGV[6])

local paused, tokens, tat, interval, tolerance = bucket(KEYS[2], rate, burst, tonumber(ARGV[7]))
if paused > 0 then return {now, paused, 0} end

local limit = math.min(want, tokens * batch)
if max_in_flight > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  limit = math.min(limit, max_in_flight - redis.call('ZCARD', KEYS[3]))
end

local alone, together = {}, {}
local found = {}
if limit > 0 then found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, limit) end
local claims = {}
if #found > 0 then claims = redis.call('HMGET', KEYS[4], unpack(found)) end
for i, id in ipairs(found) do
  local kind, calls = together, #alone + math.ceil((#together + 1) / batch)
  if claims[i] then kind, calls = alone, #alone + 1 + math.ceil(#together / batch) end
  if calls > tokens then break end
  kind[#kind + 1] = id
end

local ids = {}
for _, kind in ipairs({alone, together}) do
  for _, id in ipairs(kind) do ids[#ids + 1] = id end
end
if #ids > 0 then
  local leased, held = {}, {}
  for _, id in ipairs(ids) do
    local times = redis.call('HINCRBY', KEYS[4], id, 1)
    local longer = math.min(lease * 2 ^ math.max(0, math.min(times, 40) - 3), math.max(lease, 3600000000))
    if times > 1 then longer = longer * (1 + (tonumber(string.sub(id, 1, 4), 16) or 0) / 65536) end
    leased[#leased + 1] = string.format('%.0f', now + longer)
    leased[#leased + 1] = id
  end
  redis.call('ZADD', KEYS[1], unpack(leased))
  -- GT: an id handed out again keeps the longer hold it already has.
  if max_in_flight > 0 then redis.call('ZADD', KEYS[3], 'GT', unpack(leased)) end
  tat = spend(KEYS[2], tat, interval, #alone + math.ceil(#together / batch))
end

local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = -1
if first[2] then
  wait = math.max(0, tonumber(first[2]) - now, tat + interval - tolerance - now)
  if limit < 1 and tokens > 0 and want > 0 then wait = -1 end
end

local answer = {now, math.ceil(wait), #alone}
for _, id in ipairs(ids) do answer[#answer + 1] = id end
return answer
