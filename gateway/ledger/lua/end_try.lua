-- End a try of a job: it is done, to be tried later, or dead until somebody wants it tried again.
--
-- KEYS  1 jobs  2 when each is due
-- ARGV  1 id  2 number of the try ("": whichever was the last; the job's time begins anew)
--       3 "done", "due" or "dead"  4 milliseconds from now  5 why it failed
-- Answers  1 | 0 (there is no such job, or another try of it has begun since)

local id, number, state = ARGV[1], ARGV[2], ARGV[3]
local record = redis.call('HGET', KEYS[1], id)
local tries, since, fields = string.match(record or '', '^%S+ (%d+) (%d+) ([^\n]*)\n')
if not tries or (number ~= '' and number ~= tries) then
  return 0
end
if state == 'done' then
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  return 1
end
local now = now_ms()
if number == '' then
  since = text(now)
end
redis.call('HSET', KEYS[1], id,
  state .. ' ' .. tries .. ' ' .. since .. ' ' .. fields .. '\n' .. ARGV[5])
if state == 'dead' then
  redis.call('ZREM', KEYS[2], id)
else
  redis.call('ZADD', KEYS[2], text(now + tonumber(ARGV[4])), id)
end
return 1
