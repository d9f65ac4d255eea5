#!lua flags=allow-oom
-- Give what living processes count, and forget the others.
-- KEYS  1 figures  2 ends
-- Gives names and figures by turns.
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('HDEL', KEYS[1], name)
  redis.call('ZREM', KEYS[2], name)
end
return redis.call('HGETALL', KEYS[1])
