-- Add a lot of money, once for each reference, for ever (rules M2, M7, R3).
--
-- KEYS  6 payments
-- ARGV  2 reference of the payment  3 micros  4 currency  5 kind ("paid" or "bonus")
--       6 expiry in ms, or "": 12 months from now
-- Answers  "granted LOT AVAILABLE" | "refused REASON 0"
-- Reasons, the first that applies: conflict, unknown_account, currency_differs, too_large, expired
-- (the expiry does not lie ahead).
-- A refusal is not kept: a payment is a fact, reported until it can be booked.
-- If the reference is the account's claimed recharge, the claim is resolved.

local payments, reference = KEYS[6], ARGV[2]

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
local stored = answered(redis.call('HGET', payments, 'grant:' .. reference), print)
if stored then
  return stored
end
local now, micros = now_ms(), amount(ARGV[3])
local books = open_books(now)
if not books then
  return 'refused unknown_account 0'
end
if books.currency ~= ARGV[4] then
  return 'refused currency_differs 0'
end
if books.total.granted + micros > AMOUNT_MAX then
  return 'refused too_large 0'
end
local expires = ARGV[6] == '' and twelve_months_after(now) or tonumber(ARGV[6])
if expires <= now or expires > NEVER_MS then
  return 'refused expired 0'
end

-- Lots that expire together are spent by name: promotional before paid, then the oldest first.
local lot = { name = ARGV[5] .. '-' .. text(now) .. '-' .. reference, purchased = now,
  expires = expires, warned = 0, listed = false }
for _, part in ipairs(PARTS) do
  lot[part] = 0
end
books.lots[lot.name] = lot
move(books, lot, 'granted', 'available', micros)
enter(books, 'grant', 'reference', reference, 'kind', ARGV[5], 'purchased', text(now),
  'expires', text(expires))
repay(books)
if books.recharge_key == reference then
  change(books, 'recharge_key', '')
  change(books, 'recharge_after', 0)
end
event('credit')
close_books(books, 0, true)
return keep_answer(payments, 'grant:' .. reference, print,
  'granted ' .. lot.name .. ' ' .. text(books.total.available))
