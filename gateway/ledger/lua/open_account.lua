-- Open an account, or change the settings of one that is open.
--
-- KEYS  1 account  2 users  3 journal  4 events
-- ARGV  1 account id  2 currency  3 recharge below  4 recharge amount (0: never)  5... users
-- Answers  "opened" | "changed" | "refused currency"
-- Repeating it changes nothing more: it sets, it does not add.
-- A recharge that is switched on while already below its trigger is claimed at once (rule R1).

local account, users, journal, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local account_id, currency = ARGV[1], ARGV[2]

local old = redis.call('HGET', account, 'currency')
if old and old ~= currency then
  return 'refused currency'
end

if not old then
  redis.call('HSET', account, 'currency', currency, 'granted', '0', 'available', '0',
    'held', '0', 'spent', '0', 'expired', '0', 'reversed', '0')
end
redis.call('HSET', account, 'recharge_below', ARGV[3], 'recharge_amount', ARGV[4])
for at = 5, #ARGV do
  redis.call('SADD', users, ARGV[at])
end
redis.call('XADD', journal, '*', 'op', 'open_account', 'account', account_id,
  'currency', currency, 'recharge_below', ARGV[3], 'recharge_amount', ARGV[4])
claim_recharge(account, events, account_id, now_ms())
return old and 'changed' or 'opened'
