-- Give back all that was held for a call that was never answered.
--
-- KEYS  6 call  7 live  8 user  9 pool, or none
-- ARGV  2 call id  3 user ("" if none)  4 hang-up cause  5 pool ("" if none)
-- Answers  "settled 0 RETURNED AVAILABLE" | "refused REASON 0"
-- Reasons, the first that applies: conflict (settled, voided otherwise, another user or another
-- pool), closed (no such call of the account any more).
-- Once for each call; a refusal is not kept.

local print = fingerprint()
local refused, hold = call_to_close(print, ARGV[3], ARGV[5])
if refused then
  return refused
end
return close_call(print, 'void', hold, 0, 0, 'cause', ARGV[4])
