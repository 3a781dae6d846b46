-- Change the settings of an account, and add users.
--
-- KEYS  6 users  7 answer  8 licences
-- ARGV  2 operation id  3 numbers, which are owned apart from the account  4 users
--       5... names and values of settings; what is not named is left as it is
-- Answers  "configured" | "refused unknown_account 0" | "refused conflict 0"
-- Once for each operation id; a refusal is not kept. A recharge that is switched on while already
-- below its trigger is claimed at once (rule R1); one that is switched off before its provider has
-- heard of it is dropped. Other methods of payment end a suspension after declines, and a pause.
-- More overdraft is credit that came, and a limit of money that changes may be.

local users, answer, licences = KEYS[6], KEYS[7], KEYS[8]
local names = ARGV[4]
local print = fingerprint()
local stored = answered(redis.call('HGET', answer, 'answer'), print)
if stored then
  return stored
end
local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
read_recharge(books)
local overdraft, methods = books.overdraft, books.methods
local set = change_settings(books, 5)

local added = 0
for name in string.gmatch(names, '%S+') do
  added = added + redis.call('SADD', users, name)
end
if added > 0 then
  redis.call('HINCRBY', licences, NOTHING_SET, text(added))
end
enter(books, 'configure', 'operation', ARGV[2], 'users', names, unpack(books.changes))
if set.recharge_amount and books.recharge_amount == 0 then
  cancel_recharge(books)
end
if books.methods ~= methods and not NEEDS_ADMIN[books.recharge_suspended] then
  resume_recharge(books)
end
local raised = books.overdraft > overdraft
if raised or set.limit_day or set.limit_month then
  event('credit')
end
close_books(books, 0, raised)
keep_answer(answer, 'answer', print, 'configured')
redis.call('EXPIRE', answer, CLOSED_LIFE_SECONDS)
return 'configured'
