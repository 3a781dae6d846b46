-- Let a live call into a conference of its account, and keep with the call which one (rule C5).
--
-- KEYS  1 conferences  2 call
-- ARGV  1 conference  2 PIN: what was entered, "-" if nothing, "" if nobody was asked yet
-- Answers  "joined ORGANIZER ROLE" (ROLE: "leader" or "guest") | "refused REASON 0"
-- Reasons, the first that applies: closed (no such call of the account any more),
-- unknown_conference, wrong_pin (also where one has to be asked for).
-- Repeating it changes nothing more.

if redis.call('HGET', KEYS[2], 'state') ~= 'active' then
  return 'refused closed 0'
end
local organizer, pin, leader_pin =
  string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%S+) (%S+) (%S+)$')
if not organizer then
  return 'refused unknown_conference 0'
end
local entered = ARGV[2]
local role
if leader_pin ~= '-' and entered == leader_pin then
  role = 'leader'
elseif entered == pin or (pin == '-' and (entered ~= '' or leader_pin == '-')) then
  role = 'guest'
else
  return 'refused wrong_pin 0'
end
redis.call('HSET', KEYS[2], 'conference', ARGV[1], 'organizer', organizer)
return 'joined ' .. organizer .. ' ' .. role
