#!lua flags=allow-oom
-- Open a shard for admission on this server process (design 4, stream and store together).
-- KEYS  1 stream  2 proved  3 limit  4 last  5 incarnation  6 applied  7 blind  8 latest
-- ARGV  1 run id of the connection  2 last  3 limit  4 incarnation  5 applied
-- Gives 1; 0 if a higher incarnation is already there.
local marks = redis.call('MGET', KEYS[4], KEYS[5], KEYS[6], KEYS[7])
if tonumber(marks[2] or 0) > tonumber(ARGV[4]) then
  return 0
end
local last = math.max(tonumber(ARGV[2]), tonumber(marks[1] or 0))
local stream = redis.pcall('XINFO', 'STREAM', KEYS[1])
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then
    last = math.max(last, tonumber(string.match(stream[i + 1], '^%d+')))
  end
end
if marks[3] ~= ARGV[5] then
  -- The caches are of another state than the store: an older one was restored on either side.
  redis.call('UNLINK', KEYS[8])
  if tonumber(marks[3] or 0) > math.max(tonumber(ARGV[5]), tonumber(marks[4] or 0)) then
    redis.call('SET', KEYS[7], marks[3])
  end
end
redis.call(
  'MSET', KEYS[2], ARGV[1], KEYS[3], ARGV[3], KEYS[4], string.format('%.0f', last),
  KEYS[5], ARGV[4], KEYS[6], ARGV[5]
)
return 1
