-- Change the settings of an account, and add users.
--
-- KEYS  6 users  7 answer
-- ARGV  2 operation id  3 recharge below  4 recharge amount (0: never)  5 low below (0: never)
--       6 overdraft  7 numbers, which are owned apart from the account  8... users
--       3 to 6 may be "": left as they are
-- Answers  "configured" | "refused unknown_account 0" | "refused conflict 0"
-- Once for each operation id; a refusal is not kept. A recharge that is switched on while already
-- below its trigger is claimed at once (rule R1). More overdraft is credit that came.

local SETTINGS = { 'recharge_below', 'recharge_amount', 'low_below', 'overdraft' }

local users, answer = KEYS[6], KEYS[7]
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
for at, setting in ipairs(SETTINGS) do
  if ARGV[at + 2] ~= '' then
    change(books, setting, amount(ARGV[at + 2]))
  end
end

for at = 8, #ARGV do
  redis.call('SADD', users, ARGV[at])
end
enter(books, 'configure', 'operation', ARGV[2], 'users', table.concat(ARGV, ' ', 8),
  unpack(books.changes))
local raised = books.overdraft > overdraft
if raised then
  event('credit')
end
close_books(books, 0, raised)
keep_answer(answer, 'answer', print, 'configured')
redis.call('EXPIRE', answer, CLOSED_LIFE_SECONDS)
return 'configured'
