-- Add a lot of money by hand, once for each reference, for ever (rules M2, M7).
--
-- KEYS  6 payments  7 unbooked
-- ARGV  2 reference of the payment  3 micros  4 currency  5 kind ("paid" or "bonus")
--       6 expiry in ms, or "": 12 months from now
-- Answers  "granted LOT AVAILABLE" | "refused REASON 0"
-- Reasons, the first that applies: conflict, unknown_account, currency_differs, too_large, expired
-- (the expiry does not lie ahead).
-- A refusal is not kept: a payment is a fact, reported until it can be booked.
-- If the reference is the account's claimed recharge, the claim is resolved; if it is a payment that
-- could not be booked by itself, that is done with.

local payments, unbooked, reference = KEYS[6], KEYS[7], ARGV[2]

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

local lot = add_lot(books, ARGV[5], reference, micros, expires)
if is_claimed(books, reference) then
  recharge_is_over(books)
end
redis.call('HDEL', unbooked, reference)
close_books(books, 0, true)
return keep_answer(payments, 'grant:' .. reference, print,
  'granted ' .. lot .. ' ' .. text(books.total.available))
