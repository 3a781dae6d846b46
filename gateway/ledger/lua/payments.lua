-- Payments that a provider reports. After lots.lua.

-- Keep a payment for an admin who decides what becomes of it, and tell him once.
local function set_aside(books, unbooked, payment, key, micros, currency, reason)
  local words = key .. ' ' .. text(micros) .. ' ' .. currency .. ' ' .. reason
  if redis.call('HSETNX', unbooked, payment, words) == 1 then
    enter(books, 'set_aside', 'payment', payment, 'reference', key, 'amount', text(micros),
      'currency', currency, 'reason', reason)
    event('payment_flagged', 'payment', payment, 'key', key, 'reason', reason,
      'micros', text(micros), 'currency', currency, 'asked', '')
  end
end
