#!lua flags=allow-oom
-- Keep a dead letter, once; one that was settled is not buried again.
-- KEYS  1 dead  2 dead_bodies  3 settled
-- ARGV  1 position  2 head  3 body
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 1 then
  return 0
end
redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[3])
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
