-- reserve(bucket; rate, burst, recovery, longest) -> µs to wait before one more call may be made, or -1
--
-- Takes the next token there will be, though it may not be there yet, for a call that follows from one under way. Whoever
-- waits as long as is answered keeps the bucket's pace, and is not starved by claims, which only take what is there.
-- Follows bucket.lua.
--
-- KEYS[1]  <lane>:bucket  see bucket.lua
-- ARGV[1]  rate           calls per second
-- ARGV[2]  burst          calls at once after a rest
-- ARGV[3]  recovery       seconds in which a slowed rate grows by the whole rate
-- ARGV[4]  longest        most µs to wait; -1, and nothing taken, if it would be more, or while the lane is paused

local paused, tokens, tat, interval, tolerance = bucket(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
if paused > 0 then return -1 end
local wait = math.max(0, math.ceil(tat + interval - tolerance - now))
if wait > tonumber(ARGV[4]) then return -1 end
spend(KEYS[1], tat, interval, 1)
return wait
