-- Add a user to an account, or change the settings of one that it has.
--
-- KEYS  6 users  7 answer  8 user  9 licences
-- ARGV  2 operation id  3 user  4... names and values of settings; what is not named is left as it is
-- Answers  "set" | "refused unknown_account 0" | "refused conflict 0"
-- Once for each operation id; a refusal is not kept. A limit of money that changes may be credit
-- that came.

local users, answer, user, licences = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local name = ARGV[3]

local function licence()
  local cells = redis.call('HMGET', user, 'profile.country', 'profile.plans')
  return (cells[1] or '') .. ' ' .. (cells[2] or '')
end

local print = fingerprint()
local stored = answered(redis.call('HGET', answer, 'answer'), print)
if stored then
  return stored
end
local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
local settings = { changes = {} }
local set = change_settings(settings, 4)

local before = redis.call('SADD', users, name) == 0 and licence()
if #settings.changes > 0 then
  redis.call('HSET', user, unpack(settings.changes))
end
redis.call('HINCRBY', licences, licence(), 1)
if before and redis.call('HINCRBY', licences, before, -1) == 0 then
  redis.call('HDEL', licences, before)
end
enter(books, 'set_user', 'operation', ARGV[2], 'user', name, unpack(settings.changes))
if set.limit_day or set.limit_month then
  event('credit')
end
close_books(books, 0)
keep_answer(answer, 'answer', print, 'set')
redis.call('EXPIRE', answer, CLOSED_LIFE_SECONDS)
return 'set'
