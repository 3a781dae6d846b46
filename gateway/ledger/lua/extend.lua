-- Hold the next slice of a live call (rule D3): seconds of its pool, or money. Once money pays, it
-- goes on paying (rule C7): seconds that came back to the pool are for other calls.
--
-- KEYS  6 call  7 pool, or none
-- ARGV  2 call id  3 number of this extension
--       4 slices (lengths and prices of all that money pays of the call)
--       5 pool ("" if none)  6 its size in seconds  7 seconds wanted of it
-- Answers  "held SECONDS HELD AVAILABLE POOL_SECONDS" | "refused REASON AVAILABLE"
-- Reasons, the first that applies: closed (or no call of the account), conflict, no_credit.
-- Once for each number; numbers rise, and only the answer of the last one is kept, until the call is
-- closed.

local call, pool = KEYS[6], KEYS[7]
local call_id, extension, slices, pool_name = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]

local print = fingerprint()
local known = redis.call('HMGET', call, 'state', 'answer:extend', 'extension', 'seconds', 'held',
  'pins', 'pool', 'pool_seconds', 'pool_until')
if known[1] ~= 'active' then
  return 'refused closed 0'
end
if extension <= tonumber(known[3] or '0') or pool_name ~= known[7] then
  return answered(known[2], print) or 'refused conflict 0'
end

local seconds, held, pool_seconds = tonumber(known[4]), tonumber(known[5]), tonumber(known[8])
local more = 0
if pool and seconds == pool_seconds then
  more = pool_slice(pool, tonumber(ARGV[6]), tonumber(ARGV[7]))
end
local books = open_books(now_ms())
local money_seconds, total, least
if more == 0 then
  money_seconds, total, least = longest_slice(slices, held, spendable(books))
  if total and (total < held or money_seconds <= seconds - pool_seconds) then
    -- It would not add to the call: the caller has lost count.
    return 'refused conflict 0'
  end
end

local answer
local pins = read_pins(known[6])
if more > 0 then
  move_seconds(books, pool, pool_name, 'free', 'held', more)
  seconds, pool_seconds = seconds + more, pool_seconds + more
elseif total then
  take(books, total - held, pins)
  seconds, held = money_seconds + pool_seconds, total
end
if more > 0 or total then
  enter(books, 'extend', 'call', call_id, 'seconds', text(seconds))
  local entry = close_books(books, 0)
  redis.call('HSET', call, 'seconds', text(seconds), 'held', text(held), 'pins', write_pins(pins),
    'pool_seconds', text(pool_seconds), 'entry', entry)
  if more > 0 then
    keep_pool(pool, entry, known[9])
  end
  answer = 'held ' .. text(seconds) .. ' ' .. text(held) .. ' ' .. text(books.total.available)
    .. ' ' .. text(pool_seconds)
else
  change(books, 'waiting', '1')
  close_books(books, least or 0)
  answer = 'refused no_credit ' .. text(books.total.available)
end
redis.call('HSET', call, 'extension', text(extension))
return keep_answer(call, 'answer:extend', print, answer)
