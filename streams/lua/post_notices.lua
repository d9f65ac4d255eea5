-- Keep notices and what their maker remembers, and move a place, all or nothing.
-- KEYS  1 places, then for each log: notices, marks, remembered
-- ARGV  1 place, empty for none  2 before  3 after  4 bytes_max of a log  5 ttl_ms, then for each log:
--       count of notices, these, count of pairs, name and content of each
-- Gives 1; 0 if the place is not at `before`.
if ARGV[1] ~= '' then
  if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
    return 0
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local bytes_max, at = tonumber(ARGV[4]), 6
for first = 2, #KEYS, 3 do
  local notices, marks, remembered = KEYS[first], KEYS[first + 1], KEYS[first + 2]
  local known = redis.call('HMGET', marks, 'last', 'bytes')
  local last, bytes = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local count = tonumber(ARGV[at])
  at = at + 1
  for number = at, at + count - 1 do
    last = math.max(last + 1, now)
    redis.call('XADD', notices, string.format('%.0f-0', last), 'b', ARGV[number])
    bytes = bytes + #ARGV[number]
  end
  at = at + count
  while bytes > bytes_max do
    local oldest = redis.call('XRANGE', notices, '-', '+', 'COUNT', 2)
    if #oldest < 2 then
      break
    end
    bytes = bytes - #oldest[1][2][2]
    redis.call('XDEL', notices, oldest[1][1])
    redis.call('HSET', marks, 'dropped', string.match(oldest[1][1], '^%d+'))
  end
  if count > 0 then
    redis.call('HSET', marks, 'last', string.format('%.0f', last), 'bytes', string.format('%.0f', bytes))
  end
  count = tonumber(ARGV[at])
  at = at + 1
  for number = at, at + 2 * count - 1, 2 do
    redis.call('HSET', remembered, ARGV[number], ARGV[number + 1])
  end
  at = at + 2 * count
  for each = first, first + 2 do
    redis.call('PEXPIRE', KEYS[each], ARGV[5])
  end
end
return 1
