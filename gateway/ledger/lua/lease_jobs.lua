-- Take jobs that are due, for a while: nobody else is given them until then.
--
-- KEYS  1 jobs  2 when each is due
-- ARGV  1 how many at most  2 milliseconds
-- Answers  {id, record, id, record, ...}
-- A record is "STATE TRIES SINCE FIELDS\nERROR": due or dead, how often it was taken, since when it
-- is to be done (ms), its fields (JSON), and why the last try failed.

local now = now_ms()
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', text(now),
  'LIMIT', '0', ARGV[1])) do
  local tries, rest = string.match(redis.call('HGET', KEYS[1], id), '^%S+ (%d+) (.*)$')
  local record = 'due ' .. text(tries + 1) .. ' ' .. rest
  redis.call('HSET', KEYS[1], id, record)
  redis.call('ZADD', KEYS[2], text(now + tonumber(ARGV[2])), id)
  found[#found + 1] = id
  found[#found + 1] = record
end
return found
