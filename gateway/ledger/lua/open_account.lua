-- Open an account.
--
-- KEYS  1 account  2 lots  3 order  4 journal  5 events  6 accounts
-- ARGV  1 account id  2 currency
-- Answers  "opened" | "refused currency_differs 0"
-- Repeating it changes nothing: an account that is open stays as it is.

local currency = redis.call('HGET', KEYS[1], 'currency')
if currency then
  return currency == ARGV[2] and 'opened' or 'refused currency_differs 0'
end

local entry = redis.call('XADD', KEYS[4], '*', 'op', 'open_account', 'account', ARGV[1],
  'available', '0', 'moves', '', 'currency', ARGV[2])
redis.call('HSET', KEYS[1], 'currency', ARGV[2], 'granted', '0', 'available', '0', 'held', '0',
  'spent', '0', 'expired', '0', 'reversed', '0', 'overdraft', '0', 'low_below', '0',
  'low_percent', '20', 'low_base', '0', 'low', '', 'exhausted', '', 'needed', '0', 'waiting', '',
  'recharge_below', '0', 'recharge_amount', '0', 'recharge_day_max', '5', 'recharge_month_max', '0',
  'methods', '', 'recharges', '0', 'recharge_key', '', 'recharge_status', '', 'recharge_asked', '0',
  'recharge_method', '', 'recharge_tried', '', 'recharge_declined', '', 'recharge_by', '',
  'recharge_claimed', '0', 'recharge_begun', '0', 'recharge_after', '0', 'recharge_failures', '0',
  'recharge_suspended', '', 'recharge_capped', '', 'recharge_day', '0', 'recharge_day_count', '0',
  'recharge_month', '0', 'recharge_month_micros', '0', 'recipients', '', 'entry', entry)
redis.call('SADD', KEYS[6], ARGV[1])
return 'opened'
