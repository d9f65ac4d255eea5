#!lua flags=allow-oom
-- Remove the notices of a log that name an asset, and what is remembered of its series.
-- KEYS  1 notices  2 marks  3 remembered
-- ARGV  1 asset
local bytes = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local body = entry[2][2]
  if string.find(body, ARGV[1], 1, true) then
    redis.call('XDEL', KEYS[1], entry[1])
    bytes = bytes + #body
  end
end
if bytes > 0 then
  redis.call('HINCRBY', KEYS[2], 'bytes', string.format('-%.0f', bytes))
end
for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do
  if string.find(name, '/' .. ARGV[1] .. '/', 1, true) then
    redis.call('HDEL', KEYS[3], name)
  end
end
return 1
