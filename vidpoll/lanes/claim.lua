-- claim(due, bucket, in_flight, claims, flows, recent; rate, burst, want, batch, lease, max_in_flight, recovery, ahead,
--       rest, strict) -> {now, wait, alone, set_rate, set_burst, id...}
--
-- Hands out due ids together with the tokens to call for them. A token is one call; a call carries up to `batch` ids.
--
-- KEYS[1]  <lane>:due        zset: id -> its start tag (below 1e15, see enqueue.lua), or when it is due, µs
-- KEYS[2]  <lane>:bucket     see bucket.lua, which stands before this
-- KEYS[3]  <lane>:in_flight  zset: id -> until when its place is held, µs (used only where max_in_flight > 0)
-- KEYS[4]  <lane>:claims     hash: id -> how often it was handed out since it was last scheduled
-- KEYS[5]  <lane>:flows      see enqueue.lua; gone while no id with a start tag waits
-- KEYS[6]  <lane>:recent     zset: id -> when it was handed out, µs, for those of the last `rest` (used where ahead > 0)
-- ARGV[1]  rate           calls per second
-- ARGV[2]  burst          calls at once after a rest; in any t seconds at most rate·t + burst are granted
-- ARGV[3]  want           most ids to hand out
-- ARGV[4]  batch          ids one call can carry
-- ARGV[5]  lease          µs after which a handed out id is due again, should its worker die
-- ARGV[6]  max_in_flight  most generations of the account at the provider; 0: no limit
-- ARGV[7]  recovery       seconds in which a slowed rate grows by the whole rate
-- ARGV[8]  ahead          µs by which ids may leave before their time to fill up a call that is made anyway
-- ARGV[9]  rest           µs for which an id that was handed out is not handed out before its time
-- ARGV[10] strict         1: hand out nothing while nobody told what operators decided of this lane (control.lua)
--
-- Ids whose moment has come leave first, longest due first: they had their turn before, and failed or were given back.
-- Then ids with a start tag, which are due at once, in the order of their tags.
--
-- An id that was handed out and did not come back may have ended its worker. It is handed out alone from then on, with a
-- token of its own, so that no others suffer with it; its lease is up to twice as long, by its id, so that those that
-- were lost together part; and from its fourth time on its lease doubles, up to an hour.
--
-- now   this Redis' clock, µs
-- wait  µs until a claim could hand out something; -1: the lane is empty, or its places are all taken; -2: it is not
--       known what operators decided
-- alone how many of the ids, the first ones, are to be called for alone
-- set_rate, set_burst  what an operator set in place of rate and burst; "" if nobody did

local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, batch, lease = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local max_in_flight = tonumber(ARGV[6])
local ahead, rest = tonumber(ARGV[8]), tonumber(ARGV[9])

local control = redis.call('HMGET', KEYS[2], 'control', 'set_rate', 'set_burst')
local set_rate, set_burst = control[2] or '', control[3] or ''
if ARGV[10] == '1' and not control[1] then return {now, -2, 0, set_rate, set_burst} end

local paused, tokens, tat, interval, tolerance = bucket(KEYS[2], rate, burst, tonumber(ARGV[7]))
if paused > 0 then return {now, paused, 0, set_rate, set_burst} end

local limit = math.min(want, tokens * batch)
if max_in_flight > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  limit = math.min(limit, max_in_flight - redis.call('ZCARD', KEYS[3]))
end

local found, tags = {}, {}
if limit > 0 then
  found = redis.call('ZRANGEBYSCORE', KEYS[1], '1e15', now, 'LIMIT', 0, limit)
  if #found < limit then
    local tagged = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(1e15', 'WITHSCORES', 'LIMIT', 0, limit - #found)
    for i = 1, #tagged, 2 do
      found[#found + 1] = tagged[i]
      tags[tagged[i]] = tonumber(tagged[i + 1])
    end
  end
end

local alone, together = {}, {}
local claims = {}
if #found > 0 then claims = redis.call('HMGET', KEYS[4], unpack(found)) end
for i, id in ipairs(found) do
  local kind, calls = together, #alone + math.ceil((#together + 1) / batch)
  if claims[i] then kind, calls = alone, #alone + 1 + math.ceil(#together / batch) end
  if calls <= tokens then kind[#kind + 1] = id end
end

if ahead > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - rest)
  local room = math.min(math.ceil(#together / batch) * batch, limit - #alone) - #together
  if room > 0 then
    local after, till = string.format('(%.0f', now), string.format('%.0f', now + ahead)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], after, till, 'LIMIT', 0, 5 * batch)) do
      local out = redis.call('HEXISTS', KEYS[4], id) == 1 or redis.call('ZSCORE', KEYS[6], id)
      if room > 0 and not out then
        together[#together + 1] = id
        room = room - 1
      end
    end
  end
end

local ids = {}
for _, kind in ipairs({alone, together}) do
  for _, id in ipairs(kind) do ids[#ids + 1] = id end
end
if #ids > 0 then
  local leased, recent, virtual = {}, {}, nil
  for _, id in ipairs(ids) do
    local times = redis.call('HINCRBY', KEYS[4], id, 1)
    local longer = math.min(lease * 2 ^ math.max(0, math.min(times, 40) - 3), math.max(lease, 3600000000))
    if times > 1 then longer = longer * (1 + (tonumber(string.sub(id, 1, 4), 16) or 0) / 65536) end
    leased[#leased + 1] = string.format('%.0f', now + longer)
    leased[#leased + 1] = id
    recent[#recent + 1] = string.format('%.0f', now)
    recent[#recent + 1] = id
    if tags[id] then virtual = math.max(virtual or 0, tags[id]) end
  end
  redis.call('ZADD', KEYS[1], unpack(leased))
  -- GT: an id handed out again keeps the longer hold it already has.
  if max_in_flight > 0 then redis.call('ZADD', KEYS[3], 'GT', unpack(leased)) end
  if ahead > 0 then redis.call('ZADD', KEYS[6], unpack(recent)) end
  if virtual then
    virtual = string.format('%.0f', virtual)
    -- Flows that have nothing waiting, and would start at the virtual time anyway.
    redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', virtual)
    redis.call('ZADD', KEYS[5], 'GT', virtual, 'v')
  end
  tat = spend(KEYS[2], tat, interval, #alone + math.ceil(#together / batch))
end

local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local wait = -1
if first[2] then
  wait = math.max(0, tonumber(first[2]) - now, tat + interval - tolerance - now)
  if limit < 1 and tokens > 0 and want > 0 then wait = -1 end
end
-- Nobody waits for a turn: all flows start anew.
if tonumber(first[2] or 1e15) >= 1e15 then redis.call('DEL', KEYS[5]) end

local answer = {now, math.ceil(wait), #alone, set_rate, set_burst}
for _, id in ipairs(ids) do answer[#answer + 1] = id end
return answer
