-- Claim a recharge that an admin asks for, whatever is available (rule M7).
--
-- KEYS  6 answer
-- ARGV  2 operation id  3 micros
-- Answers  "claimed KEY" | "refused REASON 0"
-- Reasons, the first that applies: conflict, unknown_account, under_way (another recharge is).
-- Once for each operation id; a refusal is not kept. Neither caps, nor a pause, nor that recharges
-- are suspended stand in its way.

local answer = KEYS[6]
local print = fingerprint()
local stored = answered(redis.call('HGET', answer, 'answer'), print)
if stored then
  return stored
end
local micros = amount(ARGV[3])
local books = open_books(now_ms())
if not books then
  return 'refused unknown_account 0'
end
read_recharge(books)
if books.recharge_key ~= '' then
  return 'refused under_way 0'
end
begin_recharge(books, micros, BY_ADMIN)
enter(books, 'request_recharge', 'operation', ARGV[2], 'key', books.recharge_key)
close_books(books, 0)
keep_answer(answer, 'answer', print, 'claimed ' .. books.recharge_key)
redis.call('EXPIRE', answer, CLOSED_LIFE_SECONDS)
return 'claimed ' .. books.recharge_key
