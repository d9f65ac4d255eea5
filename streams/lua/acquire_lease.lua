#!lua flags=allow-oom
-- Take a lease that nobody holds, or keep one's own.
-- KEYS  1 lease
-- ARGV  1 owner  2 ttl_ms
-- Gives 1; 0 while another owner holds it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
