#!lua flags=allow-oom
-- Raise the limit of a shard that is proved on this server; never lower it.
-- KEYS  1 proved  2 limit
-- ARGV  1 run id of the connection  2 limit
-- Gives 1; 0 if the shard is not proved on this server.
local marks = redis.call('MGET', KEYS[1], KEYS[2])
if marks[1] ~= ARGV[1] or not marks[2] then
  return 0
end
if tonumber(ARGV[2]) > tonumber(marks[2]) then
  redis.call('SET', KEYS[2], ARGV[2])
end
return 1
