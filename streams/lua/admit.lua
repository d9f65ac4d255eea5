-- Append the entries of one request to their shard, or say why not: first every check, then the entries,
-- then the marks (design 3.3). All of them or none.
-- KEYS  1 stream  2 marks
--       with an idempotency key then: its answer, and the ages of the tenant's keys in this shard
--       with a rate at the end: the time at which the bucket of the series is full again
-- ARGV  1 run id of the connection  2 series  3 backlog_bytes_max  4 number of entries, then these
--       with an idempotency key then: the key, payload hash, keys_max, keys_ttl_ms
--       with a rate at the end: cost_us, burst_us
-- Gives {incarnation, position of the first, repeated, entries, debt_us}, {debt_us} when the bucket has too
-- little, or the name of a refusal.
-- An error after a write would leave half an admission, so nothing that can fail stands below XADD.
-- A command costs about 2 us and a word of one 0.3 us, so all marks are read by one and written by one.
local call, series = redis.call, ARGV[2]
local proof, last, newest = unpack(call('HMGET', KEYS[2], 'proof', 'last', series))
if not (proof and last) or string.sub(proof, 41) ~= ARGV[1] then
  return 'not_proved'
end
local limit, incarnation, done = struct.unpack('<ddd', proof)
local position, bytes = struct.unpack('<dd', last)

local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local entries = tonumber(ARGV[4])
local keyed = #KEYS >= 4
local once = 4 + entries
local bucket, debt, burst = #KEYS % 2 == 1 and KEYS[#KEYS], 0, 0
if bucket then
  burst = tonumber(ARGV[#ARGV])
  debt = math.min(math.max((call('GET', bucket) or 0) - now, 0), burst)
end

if keyed then
  local known = call('GET', KEYS[3])
  if known then
    local first_incarnation, first, count, hash = string.match(known, '^(%d+) (%d+) (%d+) (.*)$')
    if hash ~= ARGV[once + 2] then
      return 'key_reused'
    end
    return {tonumber(first_incarnation), tonumber(first), 1, tonumber(count), debt}
  end
end

local first = math.max(position + 1, now)
if first >= limit - (entries - 1) then
  return 'limit'
end
local admitted = bytes
for i = 5, once do
  admitted = admitted + #ARGV[i]
end
if admitted - done > tonumber(ARGV[3]) then
  return 'backlog'
end
if keyed and call('ZCOUNT', KEYS[4], string.format('%.0f', now), '+inf') >= tonumber(ARGV[once + 3]) then
  return 'keys_cap'
end
if bucket then
  local after = debt + ARGV[#ARGV - 1]
  if after > burst then
    return {debt}
  end
  debt = after
end

-- tostring would give an exponent; marks and stream id are written with the same digits (design 3.4).
local previous = tonumber(newest or 0)
local id
for i = 5, once do
  position = first + (i - 5)
  id = string.format('%.0f', position)
  bytes = bytes + #ARGV[i]
  call('XADD', KEYS[1], id .. '-0', struct.pack('<dd', previous, bytes), ARGV[i])
  previous = position
end
call('HSET', KEYS[2], 'last', struct.pack('<dd', position, bytes), series, id)
if keyed then
  local ttl = ARGV[once + 4]
  local answer = string.format('%.0f %.0f %.0f ', incarnation, first, entries) .. ARGV[once + 2]
  call('SET', KEYS[3], answer, 'PX', ttl)
  call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('(%.0f', now))
  call('ZADD', KEYS[4], string.format('%.0f', now + ttl * 1000), ARGV[once + 1])
  call('PEXPIRE', KEYS[4], ttl)
end
if debt > 0 then
  call('SET', bucket, string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000))
end
return {incarnation, first, 0, entries, debt}
