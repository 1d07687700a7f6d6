-- enqueue(due, flows; flow, step, [id]...) -> how many ids were put in
--
-- Puts ids at the end of their flow. Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM
-- 1996): a request's start tag is the virtual time, or the flow's finish tag if that is later; the finish tag is one
-- step after it. The lowest tag leaves first, so flows leave in proportion to their weights, and one that was idle gains
-- nothing by it.
--
-- Other than there, flows that begin do so one after the other, ARRIVAL apart: so they leave in the order they came, not
-- in that of their ids, and however many flows of one request come, together they move the virtual time on, and whoever
-- waits for a second turn gets it after STEP / ARRIVAL of them at the latest (see base.py for STEP: 2520 / 10 = 252).
-- Tags are whole numbers below 1e15, exact in a double: enough for 4e11 turns of weight 1, or 1e14 flows that begin,
-- before nobody waits once, when they start anew.
--
-- KEYS[1]  <lane>:due    zset: id -> its start tag below 1e15; from 1e15 (a day in 2001) on, when it is due, µs
-- KEYS[2]  <lane>:flows  zset: flow -> finish tag of its last request; 'v' -> the virtual time, the largest tag handed
--                        out; 'a' -> where the last flow began
-- ARGV[1]  flow  whose requests these are
-- ARGV[2]  step  what one of them adds to the flow's tags, in inverse proportion to the flow's weight
-- ARGV[3…] ids, oldest first; one that is in the lane stays where it is, and costs the flow nothing

local ARRIVAL = 10

local function tag_of(flow) return tonumber(redis.call('ZSCORE', KEYS[2], flow) or 0) end

local virtual, tag = tag_of('v'), tag_of(ARGV[1])
local begins = tag <= virtual
if begins then tag = math.max(virtual, tag_of('a')) + ARRIVAL end
local start = tag

local added = 0
for i = 3, #ARGV do
  if redis.call('ZADD', KEYS[1], 'NX', string.format('%.0f', tag), ARGV[i]) == 1 then
    tag = tag + tonumber(ARGV[2])
    added = added + 1
  end
end
if added > 0 then
  redis.call('ZADD', KEYS[2], string.format('%.0f', tag), ARGV[1])
  if begins then redis.call('ZADD', KEYS[2], string.format('%.0f', start), 'a') end
end
return added
