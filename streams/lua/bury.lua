#!lua flags=allow-oom
-- Keep a dead letter, once.
-- KEYS  1 dead
-- ARGV  1 position  2 content
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return 1
