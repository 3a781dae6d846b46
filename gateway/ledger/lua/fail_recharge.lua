-- Give up a claimed recharge that the provider declined, and pause before the next.
--
-- KEYS  1 account  2 journal
-- ARGV  1 account id  2 key of the recharge  3 reason  4 pause in seconds
-- Answers  "failed" | "refused closed" (that recharge is not under way)
-- Repeating it changes nothing more.

local account, journal = KEYS[1], KEYS[2]

if redis.call('HGET', account, 'recharge_key') ~= ARGV[2] then
  return 'refused closed'
end
redis.call('HSET', account, 'recharge_key', '',
  'recharge_after', text(now_ms() + tonumber(ARGV[4]) * 1000))
redis.call('XADD', journal, '*', 'op', 'recharge_failed', 'account', ARGV[1], 'key', ARGV[2],
  'reason', ARGV[3])
return 'failed'
