#!lua flags=allow-oom
-- Say that everything up to a position is in the store, and keep what the latest caches hold then
-- (design 4.12, 4.17).
-- KEYS  1 stream  2 proved  3 applied  4 bytes  5 done  6 tail  7 latest
-- ARGV  1 run id of the connection  2 position  3 number of dropped series, these,
--       then pairs of series and content
-- Gives 1; 0 if the shard is not proved on this server. A report from below `applied` is a late one:
-- nothing changes.
local marks = redis.call('MGET', KEYS[2], KEYS[3], KEYS[4])
if marks[1] ~= ARGV[1] or not marks[2] then
  return 0
end
local position = tonumber(ARGV[2])
if position < tonumber(marks[2]) then
  return 1
end

redis.call('SET', KEYS[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', ARGV[2])
-- Each entry says how many bytes were admitted up to its end, so the first unapplied one tells where the
-- backlog begins.
local waiting = redis.call('XRANGE', KEYS[1], string.format('%.0f', position + 1), '+', 'COUNT', 1)
local done = marks[3] or '0'
if waiting[1] then
  local fields = waiting[1][2]
  if fields[3] == 't' and fields[5] == 'b' then
    done = string.format('%.0f', fields[4] - #fields[6])
  end
end
redis.call('SET', KEYS[5], done)

-- A command takes a few thousand words at most.
local pairs_from = 4 + ARGV[3]
for first = 4, pairs_from - 1, 1000 do
  redis.call('HDEL', KEYS[7], unpack(ARGV, first, math.min(first + 999, pairs_from - 1)))
end
for first = pairs_from, #ARGV, 1000 do
  redis.call('HSET', KEYS[7], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
return 1
