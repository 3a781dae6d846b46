-- Note how it stands with the recharge that is under way, and read what is to be charged.
--
-- ARGV  2 key of the recharge  3 "submitted" (its provider is about to be asked) or "unknown" (there
--       was no answer)
-- Answers  "asked STATUS MICROS CURRENCY BEGUN NOW FAILURES METHOD" | "refused closed 0"
-- STATUS is what it was before, BEGUN when its provider was asked first. Repeating it changes nothing
-- more.

local books = open_books(now_ms())
if not books or not is_claimed(books, ARGV[2]) then
  return 'refused closed 0'
end
local status = books.recharge_status
if status == 'claimed' and ARGV[3] == 'submitted' then
  -- However long it has waited: its key is as old as the first question.
  change(books, 'recharge_begun', books.now)
end
if status == 'claimed' or ARGV[3] == 'unknown' then
  change(books, 'recharge_status', ARGV[3])
end
close_books(books, 0)
return 'asked ' .. status .. ' ' .. text(books.recharge_asked) .. ' ' .. books.currency .. ' '
  .. text(books.recharge_begun) .. ' ' .. text(books.now) .. ' ' .. text(books.recharge_failures)
  .. ' ' .. books.recharge_method
