#!lua flags=no-writes
-- Entries of one shard after a position, until about bytes_max (design 3.6). A large reply holds up the
-- server, so the size of a page follows the size of the entries seen so far.
-- KEYS  1 stream
-- ARGV  1 after  2 bytes_max  3 entries_max
-- Gives the entries as XRANGE does.
local bytes_max, entries_max = tonumber(ARGV[2]), tonumber(ARGV[3])
local found, bytes, count = {}, 0, 8
local from = ARGV[1] + 1
repeat
  local page = redis.call('XRANGE', KEYS[1], string.format('%.0f', from), '+', 'COUNT', count)
  for _, entry in ipairs(page) do
    found[#found + 1] = entry
    for _, field in ipairs(entry[2]) do
      bytes = bytes + #field
    end
  end
  if #page < count then
    return found
  end
  from = string.match(page[#page][1], '^%d+') + 1
  count = math.ceil((bytes_max - bytes) / (bytes / #found))
  count = math.min(count, 256, entries_max - #found)
until count < 1
return found
