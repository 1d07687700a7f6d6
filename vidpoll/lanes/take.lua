-- take(bucket; rate, burst, calls, recovery) -> 1 when the calls may be made now, else 0
--
-- Takes tokens for calls that come too late for those they were granted. All of them, or none. Follows bucket.lua.
--
-- KEYS[1]  <lane>:bucket  see bucket.lua
-- ARGV[1]  rate           calls per second
-- ARGV[2]  burst          calls at once after a rest
-- ARGV[3]  calls          how many are to be made
-- ARGV[4]  recovery       seconds in which a slowed rate grows by the whole rate

local paused, tokens, tat, interval = bucket(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4]))
local calls = tonumber(ARGV[3])
if paused > 0 or tokens < calls then return 0 end
spend(KEYS[1], tat, interval, calls)
return 1
