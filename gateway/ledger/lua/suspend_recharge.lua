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
local reason, before = ARGV[2], books.recharge_suspended
if reason == '' then
  resume_recharge(books)
elseif before ~= reason and before ~= BY_ADMIN then
  cancel_recharge(books)
  suspend_recharge(books, reason)
  tell_of_recharge(books, 'suspended', 'reason', reason)
end
if books.recharge_suspended ~= before then
  enter(books, 'suspend_recharge', 'reason', reason)
end
close_books(books, 0)
return 'set'
