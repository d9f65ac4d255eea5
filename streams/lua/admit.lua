-- Append the entries of one request to their shard, or say why not: first every check, then the entries,
-- then the marks (design 3.3). All of them or none.
-- KEYS  1 stream  2 proved  3 limit  4 last  5 incarnation  6 bytes  7 done  8 tail
--       with an idempotency key then: its answer, and the ages of the tenant's keys in this shard
--       with a rate at the end: the time at which the bucket of the series is full again
-- ARGV  1 run id of the connection  2 series  3 backlog_bytes_max  4 number of entries, then these
--       with an idempotency key then: the key, payload hash, keys_max, keys_ttl_ms
--       with a rate at the end: cost_us, burst_us
-- Gives {incarnation, position of the first, repeated, entries, debt_us}, {debt_us} when the bucket has too
-- little, or the name of a refusal.
-- An error after a write would leave half an admission, so nothing that can fail stands below XADD.
local call = redis.call
local marks = call('MGET', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7])
if marks[1] ~= ARGV[1] or not (marks[2] and marks[3] and marks[4]) then
  return 'not_proved'
end

local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local entries = tonumber(ARGV[4])
local keyed = #KEYS >= 10
local once = 4 + entries
local bucket, debt, burst = #KEYS % 2 == 1 and KEYS[#KEYS], 0, 0
if bucket then
  burst = tonumber(ARGV[#ARGV])
  debt = math.min(math.max((call('GET', bucket) or 0) - now, 0), burst)
end

if keyed then
  local known = call('GET', KEYS[9])
  if known then
    local incarnation, position, count, hash = string.match(known, '^(%d+) (%d+) (%d+) (.*)$')
    if hash ~= ARGV[once + 2] then
      return 'key_reused'
    end
    return {tonumber(incarnation), tonumber(position), 1, tonumber(count), debt}
  end
end

local position = marks[3] + 1
if position < now then
  position = now
end
if position >= marks[2] - (entries - 1) then
  return 'limit'
end
local bytes = tonumber(marks[5] or 0)
local admitted = bytes
for i = 5, once do
  admitted = admitted + #ARGV[i]
end
if admitted - (marks[6] or 0) > tonumber(ARGV[3]) then
  return 'backlog'
end
if keyed and call('ZCOUNT', KEYS[10], string.format('%.0f', now), '+inf') >= tonumber(ARGV[once + 3]) then
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
local first = string.format('%.0f', position)
local previous = string.format('%.0f', call('ZSCORE', KEYS[8], ARGV[2]) or 0)
local id
for i = 5, once do
  id = string.format('%.0f', position + (i - 5))
  bytes = bytes + #ARGV[i]
  call('XADD', KEYS[1], id .. '-0', 'p', previous, 't', string.format('%.0f', bytes), 'b', ARGV[i])
  previous = id
end
call('MSET', KEYS[4], id, KEYS[6], string.format('%.0f', bytes))
call('ZADD', KEYS[8], id, ARGV[2])
if keyed then
  local ttl = ARGV[once + 4]
  call('SET', KEYS[9], marks[4] .. ' ' .. first .. ' ' .. entries .. ' ' .. ARGV[once + 2], 'PX', ttl)
  call('ZREMRANGEBYSCORE', KEYS[10], '-inf', string.format('(%.0f', now))
  call('ZADD', KEYS[10], string.format('%.0f', now + ttl * 1000), ARGV[once + 1])
  call('PEXPIRE', KEYS[10], ttl)
end
if debt > 0 then
  call('SET', bucket, string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000))
end
return {tonumber(marks[4]), position, 0, entries, debt}
