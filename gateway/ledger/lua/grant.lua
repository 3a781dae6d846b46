-- Add a lot of money that was paid for, once for each reference, for ever (rules M2, M7, R3).
--
-- KEYS  1 account  2 lots  3 order  4 payments  5 journal  6 events
-- ARGV  1 account id  2 reference of the payment  3 micros  4 currency
-- Answers  "granted LOT AVAILABLE" | "refused unknown_account 0" | "refused currency_differs 0"
--          | "refused too_large 0" | "refused conflict 0"
-- If the reference is the account's claimed recharge, the claim is resolved.

local account, lots, order, payments = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local journal, events = KEYS[5], KEYS[6]
local account_id, reference, micros, currency = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

-- Days since 1970-01-01 of a date in the Gregorian calendar, and back; years begin in March, so
-- that the leap day is the last of its year.
local function days_of(year, month, day)
  local shifted = (month + 9) % 12
  local y = year - (month < 3 and 1 or 0)
  local leaps = math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
  return 365 * y + leaps + math.floor((153 * shifted + 2) / 5) + day - 1 - 719468
end

local function date_of(days)
  local year = math.floor((days + 719468) / 365.2425) + 1
  while days_of(year, 3, 1) > days do
    year = year - 1
  end
  local rest = days - days_of(year, 3, 1)
  local shifted = math.floor((5 * rest + 2) / 153)
  local day = rest - math.floor((153 * shifted + 2) / 5) + 1
  local month = (shifted + 2) % 12 + 1
  return month < 3 and year + 1 or year, month, day
end

-- 12 calendar months later in UTC; 29 February becomes 28 February.
local function twelve_months_after(ms)
  local days = math.floor(ms / 86400000)
  local year, month, day = date_of(days)
  if month == 2 and day == 29 then
    day = 28
  end
  return days_of(year + 1, month, day) * 86400000 + ms % 86400000
end

local print = fingerprint()
local stored = stored_answer(payments, reference, print)
if stored then
  return stored
end
local known = redis.call('HMGET', account, 'currency', 'granted', 'available', 'recharge_key')
if not known[1] then
  return 'refused unknown_account 0'
end
if known[1] ~= currency then
  return 'refused currency_differs 0'
end
if tonumber(known[2]) + micros > AMOUNT_MAX then
  return 'refused too_large 0'
end

local now = now_ms()
local expires = twelve_months_after(now)
-- Lots that expire together are spent by name: paid after promotional, then the oldest first.
local lot = 'paid-' .. text(now) .. '-' .. reference
redis.call('HSET', lots, lot .. ':granted', text(micros), lot .. ':available', text(micros),
  lot .. ':purchased', text(now), lot .. ':expires', text(expires))
redis.call('ZADD', order, expires, lot)
redis.call('HINCRBY', account, 'granted', text(micros))
local available = redis.call('HINCRBY', account, 'available', text(micros))
journal_entry(journal, 'grant', account_id, available,
  { lot .. ' granted available ' .. text(micros) }, 'reference', reference)
redis.call('XADD', events, '*', 'event', 'credit', 'account', account_id)
if known[4] == reference then
  redis.call('HSET', account, 'recharge_key', '', 'recharge_after', '0')
end
claim_recharge(account, events, account_id, now)
return store_answer(payments, reference, print, 'granted ' .. lot .. ' ' .. text(available))
