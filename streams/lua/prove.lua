#!lua flags=allow-oom
-- Open a shard for admission on this server process (design 4, stream and store together).
-- KEYS  1 stream  2 marks  3 latest
-- ARGV  1 run id of the connection  2 last  3 limit  4 incarnation  5 applied
-- Gives 1; 0 if a higher incarnation is already there.
local proof, at = unpack(redis.call('HMGET', KEYS[2], 'proof', 'last'))
local incarnation, done, applied, blind, last, bytes = 0, 0, 0, 0, 0, 0
if proof then
  local _
  _, incarnation, done, applied, blind = struct.unpack('<ddddd', proof)
end
if at then
  last, bytes = struct.unpack('<dd', at)
end
if incarnation > tonumber(ARGV[4]) then
  return 0
end
last = math.max(tonumber(ARGV[2]), last)
local stream = redis.pcall('XINFO', 'STREAM', KEYS[1])
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then
    last = math.max(last, tonumber(string.match(stream[i + 1], '^%d+')))
  end
end
local stored = tonumber(ARGV[5])
if not proof or applied ~= stored then
  -- The caches are of another state than the store: an older one was restored on either side.
  redis.call('UNLINK', KEYS[3])
end
if applied > stored then
  blind = math.max(applied, blind)
end
redis.call(
  'HSET', KEYS[2], 'last', struct.pack('<dd', last, bytes), 'proof',
  struct.pack('<ddddd', tonumber(ARGV[3]), tonumber(ARGV[4]), done, stored, blind) .. ARGV[1]
)
return 1
