-- Take in what a door tells of a tenant, and say how the tenant stands.
-- KEYS  1 account  2 counters by day
-- ARGV  1 door  2 its backlog_bytes  3 their ttl_ms  4 days_kept  5 ttl_ms of a silent tenant
--       6 number of rules, then rule and taken_us of each, then name and amount of each counter
-- Gives {backlog of all other doors, stored bytes, debt_us of each rule}.
-- An account: full:<rule> -> time at which its bucket is full again; door:<name> -> bytes and end of their
-- time; stored -> bytes. A counter: <day>:<name>.
local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local full, backlog, stored, over = {}, 0, 0, {}
local known = call('HGETALL', KEYS[1])
for i = 1, #known, 2 do
  local kind, name = string.match(known[i], '^(%a+):?(.*)$')
  if kind == 'full' then
    full[name] = tonumber(known[i + 1])
  elseif kind == 'stored' then
    stored = tonumber(known[i + 1])
  else
    local bytes, till = string.match(known[i + 1], '^(%d+) (%d+)$')
    if name == ARGV[1] or tonumber(till) <= now then
      over[#over + 1] = known[i]
    else
      backlog = backlog + tonumber(bytes)
    end
  end
end
if #over > 0 then
  call('HDEL', KEYS[1], unpack(over))
end

local written, standing = {}, {backlog, stored}
local counters_from = 7 + 2 * ARGV[6]
for i = 7, counters_from - 1, 2 do
  local taken = tonumber(ARGV[i + 1])
  local debt = math.max((full[ARGV[i]] or 0) - now, 0) + taken
  if taken ~= 0 then
    written[#written + 1] = 'full:' .. ARGV[i]
    written[#written + 1] = string.format('%.0f', now + debt)
  end
  standing[#standing + 1] = math.max(debt, 0)
end
if ARGV[2] ~= '0' then
  written[#written + 1] = 'door:' .. ARGV[1]
  written[#written + 1] = ARGV[2] .. ' ' .. string.format('%.0f', now + ARGV[3] * 1000)
end
if #written > 0 then
  call('HSET', KEYS[1], unpack(written))
  call('PEXPIRE', KEYS[1], ARGV[5])
end

local day = math.floor(now / 86400000000)
local is_new = false
for i = counters_from, #ARGV, 2 do
  local count = call('HINCRBY', KEYS[2], string.format('%.0f:', day) .. ARGV[i], ARGV[i + 1])
  is_new = is_new or count == tonumber(ARGV[i + 1])
end
if is_new then
  -- The first word of a day: what is too old goes.
  for _, name in ipairs(call('HKEYS', KEYS[2])) do
    if tonumber(string.match(name, '^%d+')) <= day - ARGV[4] then
      call('HDEL', KEYS[2], name)
    end
  end
  call('PEXPIRE', KEYS[2], ARGV[5])
end
return standing
