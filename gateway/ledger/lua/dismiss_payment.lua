-- Be done with a payment that was kept as unbooked.
--
-- KEYS  6 unbooked
-- ARGV  2 the provider's id of the payment
-- Answers  "dismissed" | "refused REASON 0"
-- Reasons, the first that applies: unknown_account, unknown_payment (or dismissed before).

local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
if redis.call('HDEL', KEYS[6], ARGV[2]) == 0 then
  return 'refused unknown_payment 0'
end
enter(books, 'dismiss_payment', 'payment', ARGV[2])
close_books(books, 0)
return 'dismissed'
