#!lua flags=allow-oom
-- Say what a tenant's series in a shard take in the store, and add up all shards.
-- KEYS  1 account  2 bytes by shard
-- ARGV  1 shard  2 bytes  3 ttl_ms
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local stored = 0
for _, bytes in ipairs(redis.call('HVALS', KEYS[2])) do
  stored = stored + tonumber(bytes)
end
redis.call('HSET', KEYS[1], 'stored', string.format('%.0f', stored))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
