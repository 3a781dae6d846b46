-- Charge a call that was answered and has ended, and give back what it did not use (rule D6).
--
-- KEYS  1 account  2 lots  3 order  4 call  5 live  6 journal  7 events
-- ARGV  1 account id  2 call id  3 charge  4 seconds  5 answered (ms)  6 ended (ms)
--       7 hang-up cause
-- Answers  "settled CHARGE RETURNED AVAILABLE" | "refused REASON AVAILABLE"
-- Reasons, the first that applies: conflict (settled otherwise, or voided), closed (no such call
-- of the account any more), over_hold (more than was held).
-- Once for each call.

local keys = { account = KEYS[1], lots = KEYS[2], order = KEYS[3], call = KEYS[4] }
local live, journal, events = KEYS[5], KEYS[6], KEYS[7]
local account_id, call_id, charge = ARGV[1], ARGV[2], tonumber(ARGV[3])

local print = fingerprint()
local stored = stored_answer(keys.call, 'close', print)
if stored then
  return stored
end
local state = redis.call('HMGET', keys.call, 'state', 'account', 'held', 'rate')
if state[1] ~= 'active' or state[2] ~= account_id then
  return 'refused closed 0'
end
if charge > tonumber(state[3]) then
  return 'refused over_hold 0'
end

local now, moves = now_ms(), {}
local available, returned = close_hold(keys, charge, now, moves)
redis.call('HSET', keys.call, 'state', 'settled')
redis.call('SREM', live, call_id)
journal_entry(journal, 'settle', account_id, available, moves, 'call', call_id,
  'charge', text(charge), 'seconds', ARGV[4], 'answered', ARGV[5], 'ended', ARGV[6],
  'cause', ARGV[7], 'rate', state[4])
claim_recharge(keys.account, events, account_id, now)
local answer = store_answer(keys.call, 'close', print,
  'settled ' .. text(charge) .. ' ' .. text(returned) .. ' ' .. text(available))
redis.call('EXPIRE', keys.call, CLOSED_LIFE_SECONDS)
return answer
