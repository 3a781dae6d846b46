-- Suspend an account's recharges, or resume them.
--
-- ARGV  2 reason, or "": resume
-- Answers  "set" | "refused unknown_account 0"
-- Repeating it changes nothing more, and what an admin suspended stays so whatever else happens.
-- Suspending drops a recharge of which no provider has heard yet;
-- resuming ends a pause after a failure too, and claims at once what is due.

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
read_recharge(books)
if ARGV[2] == '' then
  resume_recharge(books)
elseif books.recharge_suspended ~= ARGV[2] and books.recharge_suspended ~= BY_ADMIN then
  cancel_recharge(books)
  suspend_recharge(books, ARGV[2])
  tell_of_recharge(books, 'suspended', 'reason', ARGV[2])
end
enter(books, 'suspend_recharge', 'reason', ARGV[2])
close_books(books, 0)
return 'set'
