-- Give back all that was held for a call that was never answered.
--
-- KEYS  1 account  2 lots  3 order  4 call  5 live  6 journal  7 events
-- ARGV  1 account id  2 call id  3 hang-up cause
-- Answers  "settled 0 RETURNED AVAILABLE" | "refused REASON 0"
-- Reasons, the first that applies: conflict (settled, or voided otherwise), closed (no such call
-- of the account any more).
-- Once for each call.

local keys = { account = KEYS[1], lots = KEYS[2], order = KEYS[3], call = KEYS[4] }
local live, journal, events = KEYS[5], KEYS[6], KEYS[7]
local account_id, call_id = ARGV[1], ARGV[2]

local print = fingerprint()
local stored = stored_answer(keys.call, 'close', print)
if stored then
  return stored
end
local state = redis.call('HMGET', keys.call, 'state', 'account')
if state[1] ~= 'active' or state[2] ~= account_id then
  return 'refused closed 0'
end

local now, moves = now_ms(), {}
local available, returned = close_hold(keys, 0, now, moves)
redis.call('HSET', keys.call, 'state', 'voided')
redis.call('SREM', live, call_id)
journal_entry(journal, 'void', account_id, available, moves, 'call', call_id, 'cause', ARGV[3])
claim_recharge(keys.account, events, account_id, now)
local answer = store_answer(keys.call, 'close', print,
  'settled 0 ' .. text(returned) .. ' ' .. text(available))
redis.call('EXPIRE', keys.call, CLOSED_LIFE_SECONDS)
return answer
