#!lua flags=allow-oom
-- Say that everything up to a position is in the store, and keep what the latest caches hold then
-- (design 4.12, 4.17). A first call raises `applied`; it and further ones drop the tail up to it piece by
-- piece, since nobody else is served while a script runs. To a reader a tail that ends at or below `applied`
-- is empty all the same.
-- KEYS  1 stream  2 marks  3 latest
-- ARGV  1 run id of the connection  2 position  3 '' in a first call, then the cursor that the last one gave
--       4 series of the tail a piece  5 number of dropped series, these, then pairs of series and content
-- Gives the cursor of the next piece, 0 when there is none; false if the shard is not proved on this server.
-- A report from below `applied` is a late one: nothing changes. So does a further call of one that is not
-- the newest any more.
local position, cursor = tonumber(ARGV[2]), ARGV[3]
local proof, last, coming = unpack(redis.call('HMGET', KEYS[2], 'proof', 'last', 'coming'))
if not (proof and last) or string.sub(proof, 41) ~= ARGV[1] then
  return false
end
local limit, incarnation, _, applied, blind = struct.unpack('<ddddd', proof)
if position < applied or (cursor ~= '' and position ~= applied) then
  return '0'
end

if cursor == '' then
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
end

local moved = position > applied
-- Only what moves `applied` has anything to drop; a cache told later must not cost a look at every series.
if moved or (cursor ~= '' and cursor ~= '0') then
  local marks
  cursor, marks = unpack(redis.call('HSCAN', KEYS[2], moved and '0' or cursor, 'COUNT', ARGV[4]))
  local applied_series = {}
  for i = 1, #marks, 2 do
    if marks[i] ~= 'proof' and marks[i] ~= 'last' and tonumber(marks[i + 1]) <= position then
      applied_series[#applied_series + 1] = marks[i]
    end
  end
  -- A command takes a few thousand words at most.
  for first = 1, #applied_series, 1000 do
    redis.call('HDEL', KEYS[2], unpack(applied_series, first, math.min(first + 999, #applied_series)))
  end
else
  cursor = '0'
end

local pairs_from = 6 + ARGV[5]
for first = 6, pairs_from - 1, 1000 do
  redis.call('HDEL', KEYS[3], unpack(ARGV, first, math.min(first + 999, pairs_from - 1)))
end
if coming and position < tonumber(coming) then
  -- A report of more caches has begun: what would be filled now would be stale when it comes.
  for i = pairs_from, #ARGV, 2 do
    redis.call('HDEL', KEYS[3], ARGV[i])
  end
else
  for first = pairs_from, #ARGV, 1000 do
    redis.call('HSET', KEYS[3], unpack(ARGV, first, math.min(first + 999, #ARGV)))
  end
end
return cursor
