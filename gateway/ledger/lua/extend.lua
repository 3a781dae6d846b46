-- Hold the next slice of a live call (rule D3).
--
-- KEYS  1 account  2 lots  3 order  4 call  5 journal  6 events
-- ARGV  1 account id  2 call id  3 number of this extension
--       4 slices (lengths and prices of the whole call)
-- Answers  "held SECONDS HELD AVAILABLE" | "refused REASON AVAILABLE"
-- Reasons, the first that applies: closed (or not a call of the account), conflict, no_credit.
-- Once for each number; numbers rise, and only the answer of the last one is kept.

local account, lots, order, call = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local journal, events = KEYS[5], KEYS[6]
local account_id, call_id, extension = ARGV[1], ARGV[2], tonumber(ARGV[3])

local print = fingerprint()
local state = redis.call('HMGET', call, 'state', 'account', 'held', 'extension', 'extend:args',
  'extend:answer')
if state[1] ~= 'active' or state[2] ~= account_id then
  return 'refused closed 0'
end
if state[5] == print then
  return state[6]
end
if extension <= tonumber(state[4] or '0') then
  return 'refused conflict 0'
end

local now = now_ms()
local held = tonumber(state[3])
local due, total_due = lapsing(lots, order, now)
local known = redis.call('HMGET', account, 'available', 'held')
local available = tonumber(known[1]) - total_due
local seconds, total = longest_slice(ARGV[4], held, available)
local plan = seconds and plan_take(lots, order, total - held, #due)

lapse(account, lots, order, journal, account_id, due, total_due)
local answer
if seconds then
  local moves = {}
  available = available - (total - held)
  take(account, lots, order, call, plan, available, tonumber(known[2]) + total - held, moves)
  redis.call('HSET', call, 'granted', text(seconds), 'held', text(total))
  answer = 'held ' .. text(seconds) .. ' ' .. text(total) .. ' ' .. text(available)
  journal_entry(journal, 'extend', account_id, available, moves, 'call', call_id,
    'seconds', text(seconds))
else
  answer = 'refused no_credit ' .. text(available)
end
redis.call('HSET', call, 'extension', text(extension))
claim_recharge(account, events, account_id, now)
return store_answer(call, 'extend', print, answer)
