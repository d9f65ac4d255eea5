#!lua flags=no-writes
-- What a fresh read needs of one series, as of one moment (design 4.17).
-- KEYS  1 stream  2 marks  3 latest
-- ARGV  1 run id of the connection  2 series  3 entries_max  4 bytes_max
-- Gives {applied, latest or false, chain or false}; the chain is {id, previous, body}, newest first.
local proof, newest = unpack(redis.call('HMGET', KEYS[2], 'proof', ARGV[2]))
if not proof then
  -- Emptied.
  return {0, false, false}
end
local _, _, _, applied, blind = struct.unpack('<ddddd', proof)
local latest = false
if string.sub(proof, 41) == ARGV[1] then
  -- A server that nobody proved may hold caches of an older state.
  latest = redis.call('HGET', KEYS[3], ARGV[2])
end
-- `applied` was taken back: what was dropped from the tail by then is not known here.
if blind > applied then
  return {applied, latest, false}
end

local chain, bytes = {}, 0
local position = tonumber(newest or 0)
while position > applied do
  local id = string.format('%.0f', position) .. '-0'
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  local fields = entry and entry[2]
  if not fields or #fields ~= 2 or #fields[1] ~= 16 then
    return {applied, latest, false}
  end
  bytes = bytes + #fields[2]
  if #chain >= tonumber(ARGV[3]) or bytes > tonumber(ARGV[4]) then
    return {applied, latest, false}
  end
  local previous = struct.unpack('<d', fields[1])
  if previous >= position then
    return {applied, latest, false}
  end
  chain[#chain + 1] = {position, previous, fields[2]}
  position = previous
end
return {applied, latest, chain}
