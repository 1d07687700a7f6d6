-- schedule(due, claims; mode, head_start, [id, countdown]...) -> how many ids were put in or moved
--
-- KEYS[1]  <lane>:due   zset: id -> when it is due, µs of this Redis' clock
-- KEYS[2]  <lane>:claims  hash: id -> how often it was handed out since; forgotten for ids that are moved
-- ARGV[1]  mode         "move": put the ids in, or move them; "absent": only those that are not in yet
-- ARGV[2]  head start   µs an id with countdown 0 is put before its time: how an urgent id overtakes those that wait
-- ARGV[3…] id, countdown in µs, alternating
--
-- One id is never in the set twice: a zset holds each member once.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local head_start = tonumber(ARGV[2])

local entries, ids = {}, {}
for i = 3, #ARGV, 2 do
  local countdown = tonumber(ARGV[i + 1])
  local due = now + countdown
  if countdown == 0 then due = now - head_start end
  entries[#entries + 1] = string.format('%.0f', due)
  entries[#entries + 1] = ARGV[i]
  ids[#ids + 1] = ARGV[i]
end

if ARGV[1] == 'absent' then
  return redis.call('ZADD', KEYS[1], 'NX', 'CH', unpack(entries))
end
redis.call('HDEL', KEYS[2], unpack(ids))
return redis.call('ZADD', KEYS[1], 'CH', unpack(entries))
