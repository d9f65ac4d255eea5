-- Note how the deliveries of a log stand, if they stand as the noter thinks.
-- KEYS  1 marks
-- ARGV  1 before  2 after  3 ttl_ms
-- Gives 1; 0, and no change, if they do not.
if (redis.call('HGET', KEYS[1], 'standing') or '') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'standing', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
