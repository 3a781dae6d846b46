-- Take back by hand money of a payment that is not used (rule M7).
--
-- KEYS  6 payments  7 answer
-- ARGV  2 reference of the reversal  3 reference of the payment  4 micros  5 reason
--       6 "1": what is left, if that is less than micros
-- Answers  "reversed LOT MICROS AVAILABLE" | "refused REASON LEFT"
-- Reasons, the first that applies: conflict, unknown_account, unknown_payment, exceeds_lot (LEFT is
-- what the payment's lot has available; what is held or spent cannot be taken back).
-- Once for each reference, for ever; a refusal is kept for an hour.

local payments, refusal = KEYS[6], KEYS[7]
local reference, payment, at_most = ARGV[2], ARGV[3], ARGV[6] == '1'

local print = fingerprint()
local stored = answered(redis.call('HGET', payments, 'reverse:' .. reference), print)
  or answered(redis.call('HGET', refusal, 'answer'), print)
if stored then
  return stored
end
local micros = amount(ARGV[4])
local books = open_books(now_ms())
local granted = redis.call('HGET', payments, 'grant:' .. payment)
local name = granted and string.match(granted, ' granted (%S+) ')
local reason
local left = 0
if not books then
  reason = 'unknown_account'
elseif not name then
  reason = 'unknown_payment'
else
  local lot = lot_of(books, name)
  left = lot and lot.available or 0
  if at_most then
    micros = math.min(micros, left)
  elseif micros > left then
    reason = 'exceeds_lot'
  end
end

if reason then
  if books then
    close_books(books, 0)
  end
  local answer = keep_answer(refusal, 'answer', print, 'refused ' .. reason .. ' ' .. text(left))
  redis.call('EXPIRE', refusal, REFUSED_LIFE_SECONDS)
  return answer
end
if micros > 0 then
  move(books, lot_of(books, name), 'available', 'reversed', micros)
end
enter(books, 'reverse', 'reference', reference, 'payment', payment, 'reason', ARGV[5])
close_books(books, 0)
return keep_answer(payments, 'reverse:' .. reference, print,
  'reversed ' .. name .. ' ' .. text(micros) .. ' ' .. text(books.total.available))
