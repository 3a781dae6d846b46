-- Take a lease, or keep it: one holder at a time.
--
-- KEYS  1 lease
-- ARGV  1 holder  2 milliseconds from now
-- Answers  the holder, who may be another

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return holder
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
