-- Charge a call that was answered and has ended, and give back what it did not use (rule D6).
--
-- KEYS  6 call  7 live  8 pool, or none
-- ARGV  2 call id  3 charge  4 seconds  5 answered (ms)  6 ended (ms)  7 hang-up cause
--       8 pool ("" if none)  9 seconds used of it
-- Answers  "settled CHARGE RETURNED AVAILABLE" | "refused REASON 0"
-- Reasons, the first that applies: conflict (settled otherwise, voided, or another pool), closed (no
-- such call of the account any more), over_hold (more than was held).
-- Once for each call; a refusal is not kept, for money that was talked must be charged in the end.

local print = fingerprint()
local refused, hold = call_to_close(print, ARGV[8])
if refused then
  return refused
end
local charge, pool_seconds = amount(ARGV[3]), amount(ARGV[9])
if charge > hold.held or pool_seconds > hold.pool_seconds then
  return 'refused over_hold 0'
end
return close_call(print, 'settle', hold, charge, pool_seconds, 'charge', text(charge),
  'seconds', ARGV[4], 'answered', ARGV[5], 'ended', ARGV[6], 'cause', ARGV[7])
