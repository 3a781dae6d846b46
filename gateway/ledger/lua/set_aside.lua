-- Keep a payment for an admin who decides what becomes of it, or be done with it.
--
-- KEYS  6 unbooked
-- ARGV  2 the provider's id of the payment  3 key of its charge  4 micros  5 currency
--       6 reason, or "": an admin has dealt with it
-- Answers  "set" | "refused unknown_account 0" | "refused unknown_payment 0"
-- Repeating it changes nothing more.

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
if ARGV[6] ~= '' then
  set_aside(books, KEYS[6], ARGV[2], ARGV[3], amount(ARGV[4]), ARGV[5], ARGV[6])
elseif redis.call('HEXISTS', KEYS[6], ARGV[2]) == 0 then
  return 'refused unknown_payment 0'
else
  redis.call('HDEL', KEYS[6], ARGV[2])
  enter(books, 'set_aside', 'payment', ARGV[2], 'reason', '')
end
close_books(books, 0)
return 'set'
