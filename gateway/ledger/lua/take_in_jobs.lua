-- Turn an event into jobs: once for each event, whoever was given it, and however often.
--
-- KEYS  1 events  2 jobs  3 when each is due
-- ARGV  1 group  2 id of the event's entry  3... ids and fields (JSON) of jobs
-- Answers  1 | 0 (it was taken in before)

if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
local now = text(now_ms())
for at = 3, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[at], 'due 0 ' .. now .. ' ' .. ARGV[at + 1] .. '\n')
  redis.call('ZADD', KEYS[3], now, ARGV[at])
end
return 1
