#!lua flags=allow-oom
-- Forget a dead letter and remember what became of it.
-- KEYS  1 dead  2 dead_bodies  3 settled
-- ARGV  1 position  2 what became of it  3 ttl_ms, of the memory since its last change
-- Gives 1; 0 if there is none.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
