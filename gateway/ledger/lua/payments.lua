-- Payments that a provider reports. After lots.lua.

-- Tell an admin once, for each payment, reason and amount, for ever. One that is `unbooked` is kept until he
-- has decided what becomes of it.
local function flag_payment(books, payments, unbooked, payment, reason, micros, currency, key, asked)
  local flag = 'flagged:' .. payment .. ' ' .. reason .. ' ' .. text(micros)
  if redis.call('HSETNX', payments, flag, text(books.now)) == 0 then
    return
  end
  enter(books, 'flag_payment', 'payment', payment, 'reference', key, 'amount', text(micros),
    'currency', currency, 'reason', reason)
  event('payment_flagged', 'payment', payment, 'key', key, 'reason', reason,
    'micros', text(micros), 'currency', currency, 'asked', asked and text(asked) or '')
  if unbooked then
    redis.call('HSET', unbooked, payment,
      key .. ' ' .. text(micros) .. ' ' .. currency .. ' ' .. reason)
  end
end
