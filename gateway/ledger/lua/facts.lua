-- Read what a decision about a call needs to know of an account and a user, at one moment.
--
-- KEYS  1 account  2 lots  3 order  4 users  5 user  6 licences
-- ARGV  1 user ("" if none is asked for)
-- Answers  {time in ms, {field, value, ...} of the account, available as of now,
--           1 if the user is known, {field, value, ...} of the user,
--           {"COUNTRY PLANS", users who have set that, ...}}

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local available = tonumber(redis.call('HGET', KEYS[1], 'available') or 0)
for _, lot in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now))) do
  available = available - tonumber(string.match(redis.call('HGET', KEYS[2], lot), '^%S+ (%S+)'))
end
return {
  now,
  redis.call('HGETALL', KEYS[1]),
  available,
  redis.call('SISMEMBER', KEYS[4], ARGV[1]),
  redis.call('HGETALL', KEYS[5]),
  redis.call('HGETALL', KEYS[6]),
}
