-- Ask whoever follows a PBX to let a conference call a number.
--
-- KEYS  1 conferences  2 answer  3 events
-- ARGV  1 account id  2 request id  3 conference  4 number  5 PBX  6 "1" if the callee is to press 1
-- Answers  "asked ORGANIZER" | "refused unknown_conference 0" | "refused conflict 0"
-- Once for each request id; a refusal is not kept.

local print = fingerprint()
local stored = answered(redis.call('HGET', KEYS[2], 'answer'), print)
if stored then
  return stored
end
local organizer = string.match(redis.call('HGET', KEYS[1], ARGV[3]) or '', '^(%S+) ')
if not organizer then
  return 'refused unknown_conference 0'
end
redis.call('XADD', KEYS[3], '*', 'event', 'dial_out', 'account', ARGV[1], 'request', ARGV[2],
  'conference', ARGV[3], 'number', ARGV[4], 'pbx', ARGV[5], 'press_one', ARGV[6],
  'organizer', organizer)
local answer = keep_answer(KEYS[2], 'answer', print, 'asked ' .. organizer)
redis.call('EXPIRE', KEYS[2], CLOSED_LIFE_SECONDS)
return answer
