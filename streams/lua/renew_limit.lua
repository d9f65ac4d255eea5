#!lua flags=allow-oom
-- Raise the limit of a shard that is proved on this server; never lower it.
-- KEYS  1 marks
-- ARGV  1 run id of the connection  2 limit
-- Gives 1; 0 if the shard is not proved on this server.
local proof = redis.call('HGET', KEYS[1], 'proof')
if not proof or string.sub(proof, 41) ~= ARGV[1] then
  return 0
end
local limit = tonumber(ARGV[2])
if limit > struct.unpack('<d', proof) then
  redis.call('HSET', KEYS[1], 'proof', struct.pack('<d', limit) .. string.sub(proof, 9))
end
return 1
