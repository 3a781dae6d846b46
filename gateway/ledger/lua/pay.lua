-- Book a payment that a provider reports, by webhook or by its reply (rules R3, R4).
--
-- KEYS  6 payments  7 unbooked
-- ARGV  2 key of the charge  3 the provider's own id of the payment ("" if he does not say)
--       4 micros that were paid  5 currency
-- Answers  "granted LOT AVAILABLE" | "flagged REASON" | "refused unknown_account 0"
-- Once for each key, for ever, however often and in whatever way it is reported. If it is that of the
-- claimed recharge, the recharge is paid; if it is that of one that had failed, that counts now.
-- What was paid is credited, whatever was asked for, and a difference is told. What cannot be
-- credited is set aside, told, and no recharge is claimed until an admin has looked: currency_differs,
-- too_large. So is what was reported otherwise before: paid_twice (another payment), amount_differs.

local payments, unbooked, key, payment, currency = KEYS[6], KEYS[7], ARGV[2], ARGV[3], ARGV[5]
local micros = amount(ARGV[4])
local booked = redis.call('HGET', payments, 'grant:' .. key)
local paid = redis.call('HGET', payments, 'paid:' .. key)

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
local aside = payment ~= '' and payment or key

local function flagged(reason)
  set_aside(books, unbooked, aside, key, micros, currency, reason)
  close_books(books, 0)
  return 'flagged ' .. reason
end

if paid then
  local known, known_micros, known_currency = string.match(paid, '^(%S+) (%d+) (%S+)')
  if payment ~= '' and known ~= '-' and known ~= payment then
    return flagged('paid_twice')
  elseif tonumber(known_micros) ~= micros or known_currency ~= currency then
    return flagged('amount_differs')
  end
end
if payment ~= '' or not paid then
  redis.call('HSET', payments, 'paid:' .. key,
    (payment ~= '' and payment or '-') .. ' ' .. text(micros) .. ' ' .. currency)
end
if booked then
  return string.match(booked, 'granted .*')
elseif paid then
  return 'flagged set_aside'
end

local failed = redis.call('HGET', payments, 'failed:' .. key)
local asked = failed and tonumber(string.match(failed, '%d+$'))
read_recharge(books)
local method, declined = '', ''
if is_claimed(books, key) then
  asked, method, declined = books.recharge_asked, books.recharge_method, books.recharge_declined
  count_recharge(books, books.recharge_claimed, -1, asked)
  count_recharge(books, books.recharge_claimed, 1, micros)
  recharge_is_over(books)
elseif failed then
  count_recharge(books, books.now, 1, micros)
end

local reason
if books.currency ~= currency then
  reason = 'currency_differs'
elseif books.total.granted + micros > AMOUNT_MAX then
  reason = 'too_large'
end
if reason then
  suspend_recharge(books, reason)
  return flagged(reason)
end
local expires = twelve_months_after(books.now)
local lot = add_lot(books, 'paid', key, micros, expires, 'payment', payment)
tell_of_recharge(books, 'recharged', 'key', key, 'payment', payment, 'micros', text(micros),
  'expires', text(expires), 'method', method, 'declined', declined)
if asked and asked ~= micros then
  event('payment_flagged', 'payment', aside, 'key', key, 'reason', 'amount_differs',
    'micros', text(micros), 'currency', currency, 'asked', text(asked))
end
close_books(books, 0, true)
return keep_answer(payments, 'grant:' .. key, fingerprint(), 'granted ' .. lot .. ' '
  .. text(books.total.available))
