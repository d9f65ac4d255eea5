#!lua flags=allow-oom
-- Remove one piece of the entries up to a position, never above `applied`, and note how far (design 4).
-- KEYS  1 stream  2 marks  3 trimmed
-- ARGV  1 upto  2 entries a piece
-- Gives 1 when more may be left, 0 when done.
local proof = redis.call('HGET', KEYS[2], 'proof')
if not proof then
  return 0
end
local _, _, _, applied = struct.unpack('<dddd', proof)
local upto = math.min(tonumber(ARGV[1]), applied)
local highest = redis.call('XREVRANGE', KEYS[1], string.format('%.0f', upto), '-', 'COUNT', 1)[1]
if not highest then
  return 0
end
local position = string.match(highest[1], '^%d+')
if tonumber(position) > tonumber(redis.call('GET', KEYS[3]) or 0) then
  redis.call('SET', KEYS[3], position)
end
-- Whole nodes by `~`, which alone takes a limit; what is left of the last node by `=`: a hundred entries.
local keep_from = string.format('%.0f', upto + 1)
if redis.call('XTRIM', KEYS[1], 'MINID', '~', keep_from, 'LIMIT', ARGV[2]) > 0 then
  return 1
end
redis.call('XTRIM', KEYS[1], 'MINID', '=', keep_from)
return 0
