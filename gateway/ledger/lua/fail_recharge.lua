-- Give up the recharge that is under way, as its provider did not charge (rule R4).
--
-- KEYS  6 payments
-- ARGV  2 key of the recharge  3 reason  4 "1": a decline that lasts  5 pause in seconds
-- Answers  "failed MICROS" | "refused closed 0" (that recharge is not under way)
-- After a decline that lasts, the account's next method is asked, or none is left and recharges are
-- suspended; after another failure, the next recharge may be claimed after the pause. Only the first
-- of failures in a row is told, and that recharges are suspended, with why the method before was
-- declined.
-- Once for each key, for ever, whatever the pause: the answer says so if the payment comes late.

local payments, key, reason, lasts = KEYS[6], ARGV[2], ARGV[3], ARGV[4] == '1'

local print = fingerprint(4)
local stored = answered(redis.call('HGET', payments, 'failed:' .. key), print)
if stored then
  return stored
end
local books = open_books(now_ms())
if not books or not is_claimed(books, key) then
  return 'refused closed 0'
end

local micros = books.recharge_asked
-- Nobody else is asked where no recharges are wanted, unless an admin asked for this one.
local wanted = books.recharge_by == BY_ADMIN
  or (books.recharge_suspended == '' and books.recharge_amount > 0)
local backup = lasts and wanted and untried_method(books)
if backup then
  change(books, 'recharge_declined', reason)
  ask_by(books, backup)
else
  drop_recharge(books)
  change(books, 'recharge_failures', books.recharge_failures + 1)
  local first = books.recharge_failures == 1
  if lasts then
    suspend_recharge(books, reason)
  elseif books.recharge_failures >= FAILURES_MAX then
    suspend_recharge(books, 'too_many_failures')
  else
    change(books, 'recharge_after', books.now + tonumber(ARGV[5]) * 1000)
  end
  local is_suspended = books.recharge_suspended ~= ''
  if first or is_suspended then
    local next_is = is_suspended and 'suspended' or is_due(books) and 'retry' or 'none'
    tell_of_recharge(books, 'recharge_failed', 'key', key, 'reason', reason, 'micros', text(micros),
      'next', next_is, 'after', next_is == 'retry' and text(books.recharge_after) or '0',
      'declined', books.recharge_declined)
  end
end
enter(books, 'recharge_failed', 'key', key, 'reason', reason)
close_books(books, 0)
return keep_answer(payments, 'failed:' .. key, print, 'failed ' .. text(micros))
