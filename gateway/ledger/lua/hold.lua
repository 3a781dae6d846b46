-- Hold the first slice of a call before it may ring (rule D1): seconds of a pool, or money.
--
-- KEYS  6 call  7 live  8 users  9 pool, or none
-- ARGV  2 call id  3 user ("" if none is asked for)  4 currency of the rate  5 call type  6 number
--       7 pinned rate  8 slices
--       9 pool ("" if none)  10 its size in seconds  11 seconds wanted of it  12 its end in ms
-- Answers  "held SECONDS HELD AVAILABLE POOL_SECONDS" | "refused REASON AVAILABLE"
-- Reasons, the first that applies: unknown_account, unknown_user; and if the pool has nothing left:
-- no_rate (of the account's currency), no_credit.
-- Once for each call id of an account; the answer, also a refusal, stays the same (sticky). Asked
-- again after the call has ended: "refused conflict 0".

local call, live, users, pool = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local call_id, user, currency, slices, pool_name = ARGV[2], ARGV[3], ARGV[4], ARGV[8], ARGV[9]

local print = fingerprint()
local known = redis.call('HMGET', call, 'state', 'answer:hold')
if known[1] and known[1] ~= 'active' then
  -- The first slice of a call that has ended pays for no other call.
  return 'refused conflict 0'
end
local stored = answered(known[2], print)
if stored then
  return stored
end

local books = open_books(now_ms())
local reason, total, least
local seconds = 0
if not books then
  reason = 'unknown_account'
elseif user ~= '' and redis.call('SISMEMBER', users, user) == 0 then
  reason = 'unknown_user'
elseif pool then
  seconds = pool_slice(pool, tonumber(ARGV[10]), tonumber(ARGV[11]))
end
local pool_seconds = seconds
if not reason and pool_seconds == 0 then
  if books.currency ~= currency then
    reason = 'no_rate'
  else
    seconds, total, least = longest_slice(slices, 0, spendable(books))
    -- Credit at or below zero carries no chargeable call, whatever its rate (rule C9).
    if not seconds or spendable(books) <= 0 then
      reason = 'no_credit'
    end
  end
end

if reason then
  local available = books and books.total.available or 0
  if books then
    close_books(books, reason == 'no_credit' and least or 0)
  end
  local answer = keep_answer(call, 'answer:hold', print,
    'refused ' .. reason .. ' ' .. text(available))
  redis.call('EXPIRE', call, REFUSED_LIFE_SECONDS)
  return answer
end

local pins = {}
if pool_seconds > 0 then
  total = 0
  move_seconds(books, pool, pool_name, 'free', 'held', pool_seconds)
else
  take(books, total, pins)
end
enter(books, 'hold', 'call', call_id, 'seconds', text(seconds))
local entry = close_books(books, 0)
redis.call('HSET', call, 'state', 'active', 'user', user, 'type', ARGV[5], 'number', ARGV[6],
  'rate', ARGV[7], 'seconds', text(seconds), 'held', text(total), 'pins', write_pins(pins),
  'pool', pool_name, 'pool_seconds', text(pool_seconds), 'entry', entry)
if pool then
  local pool_until = text(tonumber(ARGV[12]) + POOL_LIFE_MS)
  redis.call('HSET', call, 'pool_until', pool_until)
  if pool_seconds > 0 then
    keep_pool(pool, entry, pool_until)
  end
end
redis.call('SADD', live, ARGV[1] .. '/' .. call_id)
return keep_answer(call, 'answer:hold', print, 'held ' .. text(seconds) .. ' ' .. text(total) .. ' '
  .. text(books.total.available) .. ' ' .. text(pool_seconds))
