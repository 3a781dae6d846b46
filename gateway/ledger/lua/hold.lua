-- Hold the first slice of a call before it may ring (rule D1): seconds of a pool, or money.
--
-- KEYS  6 call  7 live  8 users  9 user  10 when the account's calls to the prefix began
--       11 when the user's did  12 pool, or none
-- ARGV  2 call id  3 user ("" if none is asked for)  4 currency of the rate  5 call type  6 number
--       7 pinned rate  8 slices
--       9 pool ("" if none)  10 its size in seconds  11 seconds wanted of it  12 its end in ms
--       13 day and 14 month in the account's time zone, as 2026-11-24 and 2026-11
--       15 who calls and 16 the conference, as the PBX has them, or ""
-- Answers  "held SECONDS HELD AVAILABLE POOL_SECONDS" | "refused REASON AVAILABLE"
--          | "refused LIMIT AVAILABLE OF" (OF: whose limit it is, "account" or "user")
-- Reasons, the first that applies: unknown_account, unknown_user, limit_calls, limit_per_minute; and
-- if the pool has nothing left: no_rate (of the account's currency), no_credit (nothing at all),
-- then of no_credit, limit_day and limit_month the one that leaves the least, the first of equals.
-- The account's limit comes before the user's of the same name.
-- Once for each call id of an account; the answer, also a refusal, stays the same (sticky), whatever
-- day it is by then. Asked again after the call has ended: "refused conflict 0".

local call, live, users, user_key, pool = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[12]
local begun = { KEYS[10], KEYS[11] }
local call_id, user, currency, slices, pool_name = ARGV[2], ARGV[3], ARGV[4], ARGV[8], ARGV[9]
local day, month = ARGV[13], ARGV[14]

local print = fingerprint(12)
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
local latest = { day = '', day_held = 0, month = '', month_held = 0 }
local parties, reason, of, total, least
local seconds = 0
if not books then
  reason = 'unknown_account'
elseif user ~= '' and redis.call('SISMEMBER', users, user) == 0 then
  reason = 'unknown_user'
else
  parties = parties_to(books, user, user_key)
  turn_to(day, month, parties, latest)
  reason, of = too_many(parties, begun, books.now)
end
if not reason and pool then
  seconds = pool_slice(pool, tonumber(ARGV[10]), tonumber(ARGV[11]))
end
local pool_seconds = seconds
if not reason and pool_seconds == 0 then
  if books.currency ~= currency then
    reason = 'no_rate'
  else
    local micros, tightest, whose = room(books, parties)
    seconds, total, least = longest_slice(slices, 0, micros)
    -- Credit at or below zero carries no chargeable call, whatever its rate (rule C9).
    if spendable(books) <= 0 then
      reason = 'no_credit'
    elseif not seconds then
      reason, of = tightest, whose
    end
  end
end

if reason then
  local available = books and books.total.available or 0
  if books then
    close_books(books, reason == 'no_credit' and least or 0)
  end
  local answer = keep_answer(call, 'answer:hold', print, refusal(reason, available, of))
  redis.call('EXPIRE', call, REFUSED_LIFE_SECONDS)
  return answer
end

local pins = {}
if pool_seconds > 0 then
  total = 0
  move_seconds(books, pool, pool_name, 'free', 'held', pool_seconds)
  watch_pool(pool, pool_name, tonumber(ARGV[10]))
else
  take(books, total, pins)
end
count_call(parties, 1)
count_held(parties, latest, total)
enter(books, 'hold', 'call', call_id, 'seconds', text(seconds))
local entry = close_books(books, 0)
write_user(parties)
note_begin(parties, begun, books.now)
redis.call('HSET', call, 'state', 'active', 'user', user, 'type', ARGV[5], 'number', ARGV[6],
  'rate', ARGV[7], 'seconds', text(seconds), 'held', text(total), 'pins', write_pins(pins),
  'pool', pool_name, 'pool_seconds', text(pool_seconds), 'latest', write_latest(latest),
  'entry', entry, 'caller', ARGV[15], 'conference', ARGV[16])
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
