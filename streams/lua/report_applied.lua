#!lua flags=allow-oom
-- Say that everything up to a position is in the store, and keep what the latest caches hold then
-- (design 4.12, 4.17).
-- KEYS  1 stream  2 marks  3 latest
-- ARGV  1 run id of the connection  2 position  3 number of dropped series, these,
--       then pairs of series and content
-- Gives 1; 0 if the shard is not proved on this server. A report from below `applied` is a late one:
-- nothing changes.
local position = tonumber(ARGV[2])
local proof, last = unpack(redis.call('HMGET', KEYS[2], 'proof', 'last'))
if not (proof and last) or string.sub(proof, 41) ~= ARGV[1] then
  return 0
end
local limit, incarnation, _, applied, blind = struct.unpack('<ddddd', proof)
if position < applied then
  return 1
end

-- Only what moves `applied` has anything to drop; a cache told later must not cost a look at every series.
local applied_series = {}
local marks = position > applied and redis.call('HGETALL', KEYS[2]) or {}
for i = 1, #marks, 2 do
  if marks[i] ~= 'proof' and marks[i] ~= 'last' and tonumber(marks[i + 1]) <= position then
    applied_series[#applied_series + 1] = marks[i]
  end
end

-- Each entry says how many bytes were admitted up to its end, so the first unapplied one tells where the
-- backlog begins.
local _, done = struct.unpack('<dd', last)
local waiting = redis.call('XRANGE', KEYS[1], string.format('%.0f', position + 1), '+', 'COUNT', 1)[1]
if waiting and #waiting[2] == 2 and #waiting[2][1] == 16 then
  local _, bytes = struct.unpack('<dd', waiting[2][1])
  done = bytes - #waiting[2][2]
end
proof = struct.pack('<ddddd', limit, incarnation, done, position, blind) .. ARGV[1]
redis.call('HSET', KEYS[2], 'proof', proof)

-- A command takes a few thousand words at most.
for first = 1, #applied_series, 1000 do
  redis.call('HDEL', KEYS[2], unpack(applied_series, first, math.min(first + 999, #applied_series)))
end
local pairs_from = 4 + ARGV[3]
for first = 4, pairs_from - 1, 1000 do
  redis.call('HDEL', KEYS[3], unpack(ARGV, first, math.min(first + 999, pairs_from - 1)))
end
for first = pairs_from, #ARGV, 1000 do
  redis.call('HSET', KEYS[3], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
return 1
