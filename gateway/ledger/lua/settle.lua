-- Charge a call that was answered and has ended, and give back what it did not use (rule D6).
--
-- KEYS  6 call  7 live  8 user  9 pool, or none
-- ARGV  2 call id  3 user ("" if none)  4 charge  5 seconds  6 answered (ms)  7 ended (ms)
--       8 hang-up cause  9 pool ("" if none)  10 seconds used of it
-- Answers  "settled CHARGE RETURNED AVAILABLE" | "refused REASON 0"
-- Reasons, the first that applies: conflict (settled otherwise, voided, another user or another
-- pool), closed (no such call of the account any more), over_hold (more than was held).
-- Once for each call; a refusal is not kept, for money that was talked must be charged in the end.

local print = fingerprint()
local refused, hold = call_to_close(print, ARGV[3], ARGV[9])
if refused then
  return refused
end
local charge, pool_seconds = amount(ARGV[4]), amount(ARGV[10])
if charge > hold.held or pool_seconds > hold.pool_seconds then
  return 'refused over_hold 0'
end
return close_call(print, 'settle', hold, charge, pool_seconds, 'charge', text(charge),
  'seconds', ARGV[5], 'answered', ARGV[6], 'ended', ARGV[7], 'cause', ARGV[8])
