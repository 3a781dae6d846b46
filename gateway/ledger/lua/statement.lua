-- Read an account and its lots at one moment.
--
-- KEYS  1 account  2 lots  3 order
-- Answers  {time in ms, {field, value, ...} of the account, {lot, cells, ...},
--           {lot, expiry, ...} in the order of spending, which the audit compares}

local time = redis.call('TIME')
return {
  tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000),
  redis.call('HGETALL', KEYS[1]),
  redis.call('HGETALL', KEYS[2]),
  redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES'),
}
