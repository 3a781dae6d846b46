-- Give up a claimed recharge that the provider declined, and pause before the next.
--
-- ARGV  2 key of the recharge  3 reason  4 pause in seconds
-- Answers  "failed" | "refused closed 0" (that recharge is not under way)
-- Repeating it changes nothing more.

local print = fingerprint()
local books = open_books(now_ms())
if not books or books.recharge_key ~= ARGV[2] then
  local failed = redis.call('HGET', KEYS[1], 'recharge_failed')
  return failed == print and 'failed' or 'refused closed 0'
end

change(books, 'recharge_key', '')
change(books, 'recharge_failed', print)
change(books, 'recharge_after', books.now + tonumber(ARGV[4]) * 1000)
enter(books, 'recharge_failed', 'key', ARGV[2], 'reason', ARGV[3])
close_books(books, 0)
return 'failed'
