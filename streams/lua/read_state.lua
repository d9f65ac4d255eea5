#!lua flags=no-writes
-- The marks of a shard as of one moment.
-- KEYS  1 stream  2 proved  3 limit  4 last  5 incarnation  6 applied  7 trimmed  8 bytes  9 done
-- Gives {time_us, last found, then keys 2, 3 and 5-9 as they are}.
local marks = redis.call('MGET', unpack(KEYS, 2, 9))
local clock = redis.call('TIME')
local found = tonumber(marks[3] or 0)
local stream = redis.pcall('XINFO', 'STREAM', KEYS[1])
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then
    found = math.max(found, tonumber(string.match(stream[i + 1], '^%d+')))
  end
end
return {
  clock[1] * 1000000 + clock[2], found,
  marks[1], marks[2], marks[4], marks[5], marks[6], marks[7], marks[8]
}
