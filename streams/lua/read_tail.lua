#!lua flags=no-writes
-- What a fresh read needs of one series, as of one moment (design 4.17).
-- KEYS  1 stream  2 proved  3 applied  4 blind  5 tail  6 latest
-- ARGV  1 run id of the connection  2 series  3 entries_max  4 bytes_max
-- Gives {applied, latest or false, chain or false}; the chain is {id, previous, body}, newest first.
local marks = redis.call('MGET', KEYS[2], KEYS[3], KEYS[4])
local applied = tonumber(marks[2] or 0)
local latest = false
if marks[1] == ARGV[1] then
  -- A server that nobody proved may hold caches of an older state.
  latest = redis.call('HGET', KEYS[6], ARGV[2])
end
-- Emptied, or `applied` was taken back: what was dropped from the tail by then is not known here.
if not marks[2] or (marks[3] and tonumber(marks[3]) > applied) then
  return {applied, latest, false}
end

local chain, bytes = {}, 0
local position = tonumber(redis.call('ZSCORE', KEYS[5], ARGV[2]) or 0)
while position > applied do
  local id = string.format('%.0f', position) .. '-0'
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  local fields = entry and entry[2]
  if not fields or fields[1] ~= 'p' or fields[5] ~= 'b' then
    return {applied, latest, false}
  end
  bytes = bytes + #fields[6]
  if #chain >= tonumber(ARGV[3]) or bytes > tonumber(ARGV[4]) then
    return {applied, latest, false}
  end
  chain[#chain + 1] = {position, tonumber(fields[2]), fields[6]}
  if tonumber(fields[2]) >= position then
    return {applied, latest, false}
  end
  position = tonumber(fields[2])
end
return {applied, latest, chain}
