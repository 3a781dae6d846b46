-- Let an account own a dial-in number, if no other does.
--
-- KEYS  1 numbers
-- ARGV  1 number  2 account id
-- Answers  the id of the account that owns it
-- Repeating it changes nothing more. It is apart from the account, since a call that comes in knows
-- its number before it knows its account, and so its shard.

redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
