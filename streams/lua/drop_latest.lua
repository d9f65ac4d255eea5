#!lua flags=allow-oom
-- Drop latest caches ahead of a report that tells of too many for one call; until it comes, nobody fills
-- one (design 4.12). A missing cache is never wrong: readers then ask the store.
-- KEYS  1 marks  2 latest
-- ARGV  1 run id of the connection  2 position of the report, then series, a few hundred
-- Gives 1; 0 if the shard is not proved on this server. Ahead of a late report nothing changes.
local proof, coming = unpack(redis.call('HMGET', KEYS[1], 'proof', 'coming'))
if not proof or string.sub(proof, 41) ~= ARGV[1] then
  return 0
end
local _, _, _, applied = struct.unpack('<dddd', proof)
local position = tonumber(ARGV[2])
if position < applied then
  return 1
end
if not coming or tonumber(coming) < position then
  redis.call('HSET', KEYS[1], 'coming', ARGV[2])
end
redis.call('HDEL', KEYS[2], unpack(ARGV, 3))
return 1
