-- Give up a lease, if it is held.
--
-- KEYS  1 lease
-- ARGV  1 holder
-- Answers  the holder from now on, or nothing

local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return false
end
return holder
