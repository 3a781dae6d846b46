-- Hold the next slice of a live call (rule D3): seconds of its pool, or money. Once money pays, it
-- goes on paying (rule C7): seconds that came back to the pool are for other calls.
--
-- KEYS  6 call  7 user  8 pool, or none
-- ARGV  2 call id  3 number of this extension  4 user ("" if none)
--       5 slices (lengths and prices of all that money pays of the call)
--       6 pool ("" if none)  7 its size in seconds  8 seconds wanted of it
--       9 day and 10 month in the account's time zone, as 2026-11-24 and 2026-11
--       11 when the call was answered (ms; 0: not yet) and 12 when it was asked for, known to be up
-- Answers  "held SECONDS HELD AVAILABLE POOL_SECONDS" | "refused REASON AVAILABLE"
--          | "refused LIMIT AVAILABLE OF" (OF: whose limit it is, "account" or "user")
-- Reasons, the first that applies: closed (or no call of the account), conflict (also another user
-- or another pool), then of no_credit, limit_day and limit_month the one that leaves the least, the
-- first of equals. The account's limit comes before the user's of the same name.
-- Once for each number, whatever day it is by then; numbers rise, and only the answer of the last
-- one is kept, until the call is closed.

local call, user_key, pool = KEYS[6], KEYS[7], KEYS[8]
local call_id, extension, user = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local slices, pool_name, day, month = ARGV[5], ARGV[6], ARGV[9], ARGV[10]

local print = fingerprint(8)
local known = redis.call('HMGET', call, 'state', 'answer:extend', 'extension', 'seconds', 'held',
  'pins', 'pool', 'pool_seconds', 'pool_until', 'user', 'latest')
if known[1] ~= 'active' then
  return 'refused closed 0'
end
if extension <= tonumber(known[3] or '0') or pool_name ~= known[7] or user ~= known[10] then
  return answered(known[2], print) or 'refused conflict 0'
end

local seconds, held, pool_seconds = tonumber(known[4]), tonumber(known[5]), tonumber(known[8])
local latest = read_latest(known[11])
local more = 0
if pool and seconds == pool_seconds then
  more = pool_slice(pool, tonumber(ARGV[7]), tonumber(ARGV[8]))
end
local books = open_books(now_ms())
local parties = parties_to(books, user, user_key)
turn_to(day, month, parties, latest)
local micros, reason, of = room(books, parties)
local money_seconds, total, least
if more == 0 then
  money_seconds, total, least = longest_slice(slices, held, micros)
  if total and (total < held or money_seconds <= seconds - pool_seconds) then
    -- It would not add to the call: the caller has lost count.
    return 'refused conflict 0'
  end
end

local answer
local taken = 0
local pins = read_pins(known[6])
if more > 0 then
  move_seconds(books, pool, pool_name, 'free', 'held', more)
  watch_pool(pool, pool_name, tonumber(ARGV[7]))
  seconds, pool_seconds = seconds + more, pool_seconds + more
elseif total then
  taken = total - held
  take(books, taken, pins)
  seconds, held = money_seconds + pool_seconds, total
end
if more > 0 or total then
  count_held(parties, latest, taken)
  enter(books, 'extend', 'call', call_id, 'seconds', text(seconds))
  local entry = close_books(books, 0)
  write_user(parties)
  redis.call('HSET', call, 'seconds', text(seconds), 'held', text(held), 'pins', write_pins(pins),
    'pool_seconds', text(pool_seconds), 'latest', write_latest(latest), 'entry', entry)
  if more > 0 then
    keep_pool(pool, entry, known[9])
  end
  answer = 'held ' .. text(seconds) .. ' ' .. text(held) .. ' ' .. text(books.total.available)
    .. ' ' .. text(pool_seconds)
else
  change(books, 'waiting', '1')
  close_books(books, reason == 'no_credit' and least or 0)
  answer = refusal(reason, books.total.available, of)
end
redis.call('HSET', call, 'extension', text(extension), 'answered', ARGV[11], 'seen', ARGV[12])
return keep_answer(call, 'answer:extend', print, answer)
