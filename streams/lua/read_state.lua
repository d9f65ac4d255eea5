#!lua flags=no-writes
-- The marks of a shard as of one moment.
-- KEYS  1 stream  2 marks  3 trimmed
-- Gives {time_us, last found, trimmed, bytes ever admitted}, then if it was ever proved: {..., run id,
-- limit, incarnation, done, applied}.
local proof, last = unpack(redis.call('HMGET', KEYS[2], 'proof', 'last'))
local trimmed = tonumber(redis.call('GET', KEYS[3]) or 0)
local clock = redis.call('TIME')
local time_us, found, bytes = clock[1] * 1000000 + clock[2], 0, 0
if last then
  found, bytes = struct.unpack('<dd', last)
end
local stream = redis.pcall('XINFO', 'STREAM', KEYS[1])
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then
    found = math.max(found, tonumber(string.match(stream[i + 1], '^%d+')))
  end
end
if not proof then
  return {time_us, found, trimmed, bytes}
end
local limit, incarnation, done, applied = struct.unpack('<dddd', proof)
return {time_us, found, trimmed, bytes, string.sub(proof, 41), limit, incarnation, done, applied}
