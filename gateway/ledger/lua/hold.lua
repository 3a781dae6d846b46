-- Hold the first slice of a call before it may ring (rule D1).
--
-- KEYS  1 account  2 lots  3 order  4 users  5 call  6 live  7 journal  8 events
-- ARGV  1 account id  2 call id  3 user ("" if none is asked for)  4 currency of the rate
--       5 call type  6 number  7 pinned rate  8 slices
-- Answers  "held SECONDS HELD AVAILABLE" | "refused REASON AVAILABLE"
-- Reasons, the first that applies: unknown_account, unknown_user, no_rate, no_credit.
-- Once for each call id; the answer, also a refusal, stays the same (sticky). Asked again after the
-- call has ended: "refused conflict 0".

local account, lots, order, users = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, live, journal, events = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local account_id, call_id, user, currency = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local print = fingerprint()
local stored = stored_answer(call, 'hold', print)
if stored then
  -- The first slice of a call that has ended pays for no other call.
  local held = string.sub(stored, 1, 5) == 'held '
  if held and redis.call('HGET', call, 'state') ~= 'active' then
    return 'refused conflict 0'
  end
  return stored
end

local now = now_ms()
local known = redis.call('HMGET', account, 'currency', 'available', 'held')
local due, total_due, available = {}, 0, 0
local reason, seconds, total
if not known[1] then
  reason = 'unknown_account'
elseif user ~= '' and redis.call('SISMEMBER', users, user) == 0 then
  reason = 'unknown_user'
elseif known[1] ~= currency then
  reason = 'no_rate'
else
  due, total_due = lapsing(lots, order, now)
  available = tonumber(known[2]) - total_due
  seconds, total = longest_slice(ARGV[8], 0, available)
  -- Credit at or below zero carries no chargeable call, whatever its rate (rule C9).
  if not seconds or available <= 0 then
    reason = 'no_credit'
  end
end

if reason then
  local answer = store_answer(call, 'hold', print, 'refused ' .. reason .. ' ' .. text(available))
  redis.call('EXPIRE', call, REFUSED_LIFE_SECONDS)
  if known[1] then
    lapse(account, lots, order, journal, account_id, due, total_due)
    claim_recharge(account, events, account_id, now)
  end
  return answer
end

local plan = plan_take(lots, order, total, #due)
local moves = {}
lapse(account, lots, order, journal, account_id, due, total_due)
available = available - total
take(account, lots, order, call, plan, available, tonumber(known[3]) + total, moves)
local answer = 'held ' .. text(seconds) .. ' ' .. text(total) .. ' ' .. text(available)
redis.call('HSET', call, 'state', 'active', 'account', account_id, 'user', user,
  'type', ARGV[5], 'number', ARGV[6], 'rate', ARGV[7],
  'granted', text(seconds), 'held', text(total), 'hold:args', print, 'hold:answer', answer)
redis.call('SADD', live, call_id)
journal_entry(journal, 'hold', account_id, available, moves, 'call', call_id,
  'seconds', text(seconds))
claim_recharge(account, events, account_id, now)
return answer
