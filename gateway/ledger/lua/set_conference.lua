-- Set up a conference of an account, change it, or take it away.
--
-- KEYS  1 account  2 users  3 conferences
-- ARGV  1 conference  2 organizer, or "" to take it away  3 PIN ("-" if none)
--       4 PIN of who leads it ("-" if nobody does)
-- Answers  "set" | "refused REASON 0"
-- Reasons, the first that applies: unknown_account, unknown_user (the organizer).
-- Repeating it changes nothing more.

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'refused unknown_account 0'
end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[3], ARGV[1])
  return 'set'
end
if redis.call('SISMEMBER', KEYS[2], ARGV[2]) == 0 then
  return 'refused unknown_user 0'
end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
return 'set'
