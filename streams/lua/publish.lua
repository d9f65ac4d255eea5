#!lua flags=allow-oom
-- Keep what a process counts, for a time.
-- KEYS  1 figures  2 ends: name -> end of its time, in ms of the server's clock
-- ARGV  1 name  2 figures  3 ttl_ms
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[1])
return 1
