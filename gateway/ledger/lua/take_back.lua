-- Take back what a provider says was refunded of a payment, or is disputed (rule M7).
--
-- KEYS  6 payments  7 unbooked
-- ARGV  2 key of the charge  3 the provider's id of the payment  4 micros that were paid
--       5 micros that were ever to be taken back in this way  6 which way: "refunded" or "disputed"
--       7 currency of both
-- Answers  "taken MICROS AVAILABLE" | "refused unknown_account 0"
-- Once for each amount, in whatever order they are reported. What calls hold, or have spent, cannot be
-- taken back, and is told; so is what was never booked, which is unbooked no more as far as it went
-- back. Of what was booked by hand for a payment in another currency, the same part is taken back as
-- of the payment. After a dispute no recharge is claimed until an admin has looked.

local payments, unbooked, key, payment, way = KEYS[6], KEYS[7], ARGV[2], ARGV[3], ARGV[6]
local currency = ARGV[7]
local paid, reported = amount(ARGV[4]), amount(ARGV[5])

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
local back = {}
for _, name in ipairs({ 'refunded', 'disputed' }) do
  back[name] = tonumber(redis.call('HGET', payments, name .. ':' .. payment) or '0')
end
local granted = redis.call('HGET', payments, 'grant:' .. payment)
local lot = granted and lot_of(books, string.match(granted, ' granted (%S+) '))
local is_converted = lot and currency ~= books.currency

-- All that was ever to be taken back, in the account's currency.
local function in_all()
  local micros = math.min(back.refunded + back.disputed, paid)
  if not is_converted then
    return micros
  end
  -- Large amounts may round to a micro-unit beside, on the way; not in the end.
  return micros == paid and lot.granted or math.floor(lot.granted * micros / paid)
end

local before = in_all()
local is_news = reported > back[way]
if is_news then
  back[way] = reported
  redis.call('HSET', payments, way .. ':' .. payment, text(reported))
end
local micros = in_all() - before
local taken = math.min(micros, lot and lot.available or 0)
if taken > 0 then
  move(books, lot, 'available', 'reversed', taken)
end
if is_news then
  enter(books, 'take_back', 'reference', key, 'payment', payment, 'reason', way)
  if way == 'disputed' then
    cancel_recharge(books)
    if suspend_recharge(books, 'disputed') then
      tell_of_recharge(books, 'suspended', 'reason', 'disputed')
    end
  end
end
if not granted and micros > 0 then
  local kept = redis.call('HGET', unbooked, payment)
  if kept then
    local of, left, other, reason = string.match(kept, '^(%S+) (%d+) (%S+) (%S+)$')
    left = tonumber(left) - micros
    if left > 0 then
      redis.call('HSET', unbooked, payment,
        of .. ' ' .. text(left) .. ' ' .. other .. ' ' .. reason)
    else
      redis.call('HDEL', unbooked, payment)
    end
  end
elseif taken < micros then
  flag_payment(books, payments, nil, payment, 'taken_back_short', micros - taken,
    is_converted and books.currency or currency, key, micros)
end
close_books(books, 0)
return 'taken ' .. text(taken) .. ' ' .. text(books.total.available)
