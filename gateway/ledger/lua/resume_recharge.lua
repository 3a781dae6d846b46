-- Let an account's recharges go on, whatever they were suspended for, or paused.
--
-- ARGV  nothing more
-- Answers  "resumed" | "refused unknown_account 0"
-- Repeating it changes nothing more. What is due is claimed at once.

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
read_recharge(books)
if books.recharge_suspended ~= '' then
  enter(books, 'resume_recharge', 'reason', books.recharge_suspended)
end
resume_recharge(books)
close_books(books, 0)
return 'resumed'
