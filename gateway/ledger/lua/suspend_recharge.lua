-- Suspend an account's recharges, as an admin wants it.
--
-- ARGV  nothing more
-- Answers  "suspended" | "refused unknown_account 0"
-- Repeating it changes nothing more. A recharge of which no provider has heard yet is dropped.

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
cancel_recharge(books)
if suspend_recharge(books, BY_ADMIN) then
  tell_of_recharge(books, 'suspended', 'reason', BY_ADMIN)
  enter(books, 'suspend_recharge')
end
close_books(books, 0)
return 'suspended'
