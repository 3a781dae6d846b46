-- Open an account, or change the settings of one that is open.
--
-- KEYS  1 account  2 users  3 journal  4 events
-- ARGV  1 account id  2 currency  3 recharge below  4 recharge amount (0: never)  5... users
--       2 to 4 may be "": left as they are
-- Answers  "opened" | "changed" | "refused currency_missing" | "refused currency_differs"
-- Repeating it changes nothing more: users are added, the others are set.
-- A recharge that is switched on while already below its trigger is claimed at once (rule R1).

local account, users, journal, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local account_id = ARGV[1]

local old = redis.call('HMGET', account, 'currency', 'recharge_below', 'recharge_amount')
local function chosen(at)
  return ARGV[at] ~= '' and ARGV[at] or old[at - 1]
end
local currency, below, amount = chosen(2), chosen(3) or '0', chosen(4) or '0'
if not currency then
  return 'refused currency_missing'
end
if old[1] and old[1] ~= currency then
  return 'refused currency_differs'
end

if not old[1] then
  redis.call('HSET', account, 'currency', currency, 'granted', '0', 'available', '0',
    'held', '0', 'spent', '0', 'expired', '0', 'reversed', '0')
end
redis.call('HSET', account, 'recharge_below', below, 'recharge_amount', amount)
for at = 5, #ARGV do
  redis.call('SADD', users, ARGV[at])
end
redis.call('XADD', journal, '*', 'op', 'open_account', 'account', account_id,
  'currency', currency, 'recharge_below', below, 'recharge_amount', amount)
claim_recharge(account, events, account_id, now_ms())
return old[1] and 'changed' or 'opened'
