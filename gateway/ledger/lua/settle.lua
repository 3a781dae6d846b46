-- Charge a call that was answered and has ended, and give back what it did not use (rule D6).
--
-- KEYS  1 account  2 lots  3 order  4 call  5 live  6 journal  7 events
-- ARGV  1 call id  2 charge  3 seconds  4 answered (ms)  5 ended (ms)  6 hang-up cause
-- Answers  "settled CHARGE RETURNED AVAILABLE" | "refused REASON AVAILABLE"
-- Reasons, the first that applies: conflict (settled otherwise, or voided), closed (no such call
-- any more), over_hold (more than was held).
-- Once for each call.

local keys = { account = KEYS[1], lots = KEYS[2], order = KEYS[3], call = KEYS[4] }
local live, journal, events = KEYS[5], KEYS[6], KEYS[7]
local call_id, charge = ARGV[1], tonumber(ARGV[2])

local print = fingerprint()
local stored = stored_answer(keys.call, 'close', print)
if stored then
  return stored
end
local state = redis.call('HMGET', keys.call, 'state', 'account', 'held', 'rate')
if state[1] ~= 'active' then
  return 'refused closed 0'
end
if charge > tonumber(state[3]) then
  return 'refused over_hold 0'
end

local now, moves = now_ms(), {}
local available, returned = close_hold(keys, state[2], charge, now, moves)
redis.call('HSET', keys.call, 'state', 'settled')
redis.call('SREM', live, call_id)
journal_entry(journal, 'settle', state[2], available, moves, 'call', call_id,
  'charge', text(charge), 'seconds', ARGV[3], 'answered', ARGV[4], 'ended', ARGV[5],
  'cause', ARGV[6], 'rate', state[4])
claim_recharge(keys.account, events, state[2], now)
local answer = store_answer(keys.call, 'close', print,
  'settled ' .. text(charge) .. ' ' .. text(returned) .. ' ' .. text(available))
redis.call('EXPIRE', keys.call, CLOSED_LIFE_SECONDS)
return answer
