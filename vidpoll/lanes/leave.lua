-- leave(due, claims; [id, moment]...)
--
-- Takes ids out of a lane whose place nobody changed since their moments were read: what was put in again meanwhile stays.
--
-- KEYS[1]  <lane>:due     zset: id -> when it is due, µs
-- KEYS[2]  <lane>:claims  see claim.lua
-- ARGV[…]  id, and when it was due as it was read, µs, alternating

for i = 1, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or -1) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
