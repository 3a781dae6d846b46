-- Change the settings of an account, and add users.
--
-- KEYS  6 users  7 answer  8 licences
-- ARGV  2 operation id  3 recharge below  4 recharge amount (0: never)  5 low below (0: never)
--       6 overdraft  7 limit of calls at once  8 of calls a minute to one prefix  9 of money a day
--       10 of money a month (0: none)  11 numbers, which are owned apart from the account  12 users
--       13... names and values of the profile
--       3 to 10 may be "", and the profile lack names: what is not named is left as it is
-- Answers  "configured" | "refused unknown_account 0" | "refused conflict 0"
-- Once for each operation id; a refusal is not kept. A recharge that is switched on while already
-- below its trigger is claimed at once (rule R1). More overdraft is credit that came, and a limit
-- of money that changes may be.

local SETTINGS = { 'recharge_below', 'recharge_amount', 'low_below', 'overdraft', unpack(LIMITS) }

local users, answer, licences = KEYS[6], KEYS[7], KEYS[8]
local names = ARGV[12]
local print = fingerprint()
local stored = answered(redis.call('HGET', answer, 'answer'), print)
if stored then
  return stored
end
local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
local overdraft = books.overdraft
change_settings(books, SETTINGS, 3, 13)

local added = 0
for name in string.gmatch(names, '%S+') do
  added = added + redis.call('SADD', users, name)
end
if added > 0 then
  redis.call('HINCRBY', licences, NOTHING_SET, text(added))
end
enter(books, 'configure', 'operation', ARGV[2], 'users', names, unpack(books.changes))
local raised = books.overdraft > overdraft
if raised or ARGV[9] .. ARGV[10] ~= '' then
  event('credit')
end
close_books(books, 0, raised)
keep_answer(answer, 'answer', print, 'configured')
redis.call('EXPIRE', answer, CLOSED_LIFE_SECONDS)
return 'configured'
