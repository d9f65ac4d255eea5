#!lua flags=allow-oom
-- Keep a writer in the list of living ones, and say who is in it.
-- KEYS  1 writers
-- ARGV  1 owner  2 ttl_ms
-- Gives the names; those whose time is over are gone.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return redis.call('ZRANGE', KEYS[1], 0, -1)
