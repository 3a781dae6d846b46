-- Book a payment that a provider reports, by webhook or by its reply (rules R3, R4).
--
-- KEYS  6 payments  7 unbooked
-- ARGV  2 key of the charge  3 the provider's own id of the payment  4 micros that were paid
--       5 currency
-- Answers  "granted LOT AVAILABLE" | "flagged REASON" | "refused unknown_account 0"
-- Once for each key, and for each id, for ever, however often and in whatever way it is reported, and
-- though an admin has booked it by hand. If it is that of the claimed recharge, the recharge is paid;
-- if it is that of one that had failed, that counts now.
-- What was paid is credited, whatever was asked for, and a difference is told. What cannot be
-- credited is kept as unbooked, told, and no recharge is claimed until an admin has looked:
-- currency_differs, too_large, and payment_id_reused (the id is that of another key's payment, so this
-- one is kept under its own key). Another payment with the same key is kept as unbooked (paid_twice),
-- and another amount of the same payment, or than was booked by hand, is told (amount_differs).

local payments, unbooked, key, payment, currency = KEYS[6], KEYS[7], ARGV[2], ARGV[3], ARGV[5]
local micros = amount(ARGV[4])

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end

redis.call('HSETNX', payments, 'key:' .. payment, key)
local is_reused = redis.call('HGET', payments, 'key:' .. payment) ~= key
local paid = redis.call('HGET', payments, 'paid:' .. key)
local booked = redis.call('HGET', payments, 'grant:' .. key)
  or not is_reused and redis.call('HGET', payments, 'grant:' .. payment)

local function flagged(reason, kept)
  local name = reason == 'payment_id_reused' and key or payment
  flag_payment(books, payments, kept, name, reason, micros, currency, key)
  close_books(books, 0)
  return 'flagged ' .. reason
end

if paid then
  local known, known_micros, known_currency = string.match(paid, '^(%S+) (%d+) (%S+)')
  if known ~= payment then
    return flagged('paid_twice', unbooked)
  elseif tonumber(known_micros) ~= micros or known_currency ~= currency then
    return flagged('amount_differs')
  end
  return booked and string.match(booked, 'granted .*') or 'flagged unbooked'
end
redis.call('HSET', payments, 'paid:' .. key, payment .. ' ' .. text(micros) .. ' ' .. currency)

local failed = redis.call('HGET', payments, 'failed:' .. key)
local asked = failed and tonumber(string.match(failed, '%d+$'))
local method, declined = '', ''
if is_claimed(books, key) then
  asked, method, declined = books.recharge_asked, books.recharge_method, books.recharge_declined
  count_recharge(books, books.recharge_claimed, -1, asked)
  count_recharge(books, books.recharge_claimed, 1, micros)
  recharge_is_over(books)
elseif failed then
  count_recharge(books, books.now, 1, micros)
  change(books, 'recharge_failures', 0)
end

if booked then
  -- By hand, under the key or the id: it is known by both from now on.
  redis.call('HSET', payments, 'grant:' .. key, booked)
  if not is_reused then
    redis.call('HSET', payments, 'grant:' .. payment, booked)
  end
  local lot = lot_of(books, string.match(booked, ' granted (%S+) '))
  if lot and currency == books.currency and lot.granted ~= micros then
    flag_payment(books, payments, nil, payment, 'amount_differs', micros, currency, key)
  end
  close_books(books, 0)
  return string.match(booked, 'granted .*')
end
local reason
if is_reused then
  reason = 'payment_id_reused'
elseif books.currency ~= currency then
  reason = 'currency_differs'
elseif books.total.granted + micros > AMOUNT_MAX then
  reason = 'too_large'
end
if reason then
  cancel_recharge(books)
  suspend_recharge(books, reason)
  return flagged(reason, unbooked)
end
local expires = twelve_months_after(books.now)
local lot = add_lot(books, 'paid', key, micros, expires, 'payment', payment)
tell_of_recharge(books, 'recharged', 'key', key, 'payment', payment, 'micros', text(micros),
  'expires', text(expires), 'method', method, 'declined', declined)
if asked and asked ~= micros then
  flag_payment(books, payments, nil, payment, 'amount_differs', micros, currency, key, asked)
end
close_books(books, 0, true)
local print, answer = fingerprint(), 'granted ' .. lot .. ' ' .. text(books.total.available)
keep_answer(payments, 'grant:' .. payment, print, answer)
return keep_answer(payments, 'grant:' .. key, print, answer)
