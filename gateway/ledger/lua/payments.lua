-- Payments that a provider reports. After lots.lua.

-- Keep a payment for an admin who decides what becomes of it, and tell him once for each reason.
local function set_aside(books, unbooked, payment, key, micros, currency, reason)
  local words = key .. ' ' .. text(micros) .. ' ' .. currency .. ' ' .. reason
  if redis.call('HGET', unbooked, payment) ~= words then
    redis.call('HSET', unbooked, payment, words)
    enter(books, 'set_aside', 'payment', payment, 'reference', key, 'amount', text(micros),
      'currency', currency, 'reason', reason)
    event('payment_flagged', 'payment', payment, 'key', key, 'reason', reason,
      'micros', text(micros), 'currency', currency, 'asked', '')
  end
end
