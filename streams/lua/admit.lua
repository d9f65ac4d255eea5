-- Append one entry to its shard, or say why not: first every check, then the entry, then the marks
-- (design 3.3).
-- KEYS  1 stream  2 proved  3 limit  4 last  5 incarnation  6 bytes  7 done  8 tail
--       with an idempotency key also: 9 its answer  10 the ages of the tenant's keys in this shard
-- ARGV  1 run id of the connection  2 series  3 body  4 backlog_bytes_max
--       with an idempotency key also: 5 the key  6 payload hash  7 keys_max  8 keys_ttl_ms
-- Gives {incarnation, position, repeated}, or the name of a refusal.
-- An error after a write would leave half an admission, so nothing that can fail stands below XADD.
local call = redis.call
local marks = call('MGET', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
if marks[1] ~= ARGV[1] or not (marks[2] and marks[3] and marks[4]) then
  return 'not_proved'
end

local keyed = KEYS[9]
if keyed then
  local known = call('GET', keyed)
  if known then
    local incarnation, position, hash = string.match(known, '^(%d+) (%d+) (.*)$')
    if hash ~= ARGV[6] then
      return 'key_reused'
    end
    return {tonumber(incarnation), tonumber(position), 1}
  end
end

local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local position = marks[3] + 1
if position < now then
  position = now
end
if position >= tonumber(marks[2]) then
  return 'limit'
end
local bytes = (marks[5] or 0) + #ARGV[3]
if bytes - (marks[6] or 0) > tonumber(ARGV[4]) then
  return 'backlog'
end
if keyed and call('ZCOUNT', KEYS[10], string.format('%.0f', now), '+inf') >= tonumber(ARGV[7]) then
  return 'keys_cap'
end

-- tostring would give an exponent; marks and stream id are written with the same digits (design 3.4).
local id = string.format('%.0f', position)
bytes = string.format('%.0f', bytes)
local previous = string.format('%.0f', call('ZSCORE', KEYS[8], ARGV[2]) or 0)
call('XADD', KEYS[1], id .. '-0', 'p', previous, 't', bytes, 'b', ARGV[3])
call('MSET', KEYS[4], id, KEYS[6], bytes)
call('ZADD', KEYS[8], id, ARGV[2])
if keyed then
  call('SET', keyed, marks[4] .. ' ' .. id .. ' ' .. ARGV[6], 'PX', ARGV[8])
  call('ZREMRANGEBYSCORE', KEYS[10], '-inf', string.format('(%.0f', now))
  call('ZADD', KEYS[10], string.format('%.0f', now + ARGV[8] * 1000), ARGV[5])
  call('PEXPIRE', KEYS[10], ARGV[8])
end
return {tonumber(marks[4]), position, 0}
