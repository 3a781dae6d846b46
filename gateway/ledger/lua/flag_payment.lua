-- Tell an admin of a payment, which may have to be kept until he has decided what becomes of it.
--
-- KEYS  6 payments  7 unbooked
-- ARGV  2 the provider's id of the payment  3 key of its charge  4 micros  5 currency  6 reason
--       7 "1": keep it as unbooked
-- Answers  "flagged" | "refused unknown_account 0"
-- Once for each payment, reason and amount, for ever.

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
flag_payment(books, KEYS[6], ARGV[7] == '1' and KEYS[7], ARGV[2], ARGV[6], amount(ARGV[4]), ARGV[5],
  ARGV[3])
close_books(books, 0)
return 'flagged'
