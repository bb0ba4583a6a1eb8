/**
 * The atomic steps on the index of a user, a hash, and on a session that ends: docs/decisions/0030 says why they are so.
 *
 * A field of the hash is a session's handle; its value is `token settled number`: from `settled` on, in ms of this server's
 * clock, an entry without a session is no sign-in under way; `number` counts the user's sign-ins. Beside them there are
 * `signIns`, the last number, and `ended`, the last number and the time when all were ended.
 */

const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/**
 * Ends the session KEYS[1]; its record's first line, or nil if there was none. Then, for ARGV[1] ms, there is none to be.
 */
export const endScript: string = `
local text = redis.call('GET', KEYS[1])
if text and text ~= '' then
  redis.call('DEL', KEYS[1])
  return string.match(text, '^[^\\n]*')
end
if ARGV[1] ~= '0' then redis.call('SET', KEYS[1], '', 'PX', ARGV[1]) end
return false
`

/**
 * Adds an entry to the index KEYS[1], unless that is full. Answers `{'added', now, {field, value, ...}}` with some
 * entries, `{'full', now, {field, value, ...}}` with all of them, or `{'gone'}` if what is to be replaced was ended.
 *
 * ARGV: handle, token, ms until it is settled, ms that the index is to live, the handle that it replaces or '', most
 * entries or 0, how long an end of all is remembered in ms, and how many entries to answer; then handles to drop.
 */
export const addScript: string = `${clock}
local key = KEYS[1]
for i = 9, #ARGV do redis.call('HDEL', key, ARGV[i]) end
local known = redis.call('HGET', key, 'signIns')
local number = (tonumber(known) or 0) + 1
local ended = redis.call('HGET', key, 'ended')
local endedNumber, endedAt = string.match(ended or '0 0', '(%d+) (%d+)')
local place = number

local replaced = ARGV[5] ~= '' and redis.call('HGET', key, ARGV[5])
if replaced then
  place = tonumber(string.match(replaced, '%d+$'))
  if place <= tonumber(endedNumber) then return {'gone'} end
elseif ARGV[5] ~= '' and now - endedAt < tonumber(ARGV[7]) then
  return {'gone'}
elseif ARGV[6] ~= '0' then
  local count = redis.call('HLEN', key) - (known and 1 or 0) - (ended and 1 or 0)
  if count >= tonumber(ARGV[6]) then
    return {'full', now, redis.call('HGETALL', key)}
  end
end

local left = redis.call('PTTL', key)
local some = redis.call('HRANDFIELD', key, ARGV[8], 'WITHVALUES')
if replaced then redis.call('HDEL', key, ARGV[5]) end
local value = ARGV[2] .. ' ' .. string.format('%.0f', now + tonumber(ARGV[3])) .. ' ' .. string.format('%.0f', place)
redis.call('HSET', key, ARGV[1], value, 'signIns', string.format('%.0f', number))
if left < tonumber(ARGV[4]) then redis.call('PEXPIRE', key, ARGV[4]) end
return {'added', now, some}
`

/** A page of the index KEYS[1]: `{now, cursor, {field, value, ...}}`. ARGV: cursor, about how many. */
export const pageScript: string = `${clock}
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
return {now, page[1], page[2]}
`

/**
 * Begins an end of all in the index KEYS[1]: the number up to which sign-ins end, or nil if there are none. Until they have,
 * none of them can be replaced. ARGV: handles of those that stay, as if they had signed in now.
 */
export const markScript: string = `${clock}
local key = KEYS[1]
local last = redis.call('HGET', key, 'signIns')
if not last then return false end
local number = tonumber(last)
for i = 1, #ARGV do
  local entry = redis.call('HGET', key, ARGV[i])
  if entry then
    number = number + 1
    redis.call('HSET', key, ARGV[i], string.match(entry, '^(.* )%d+$') .. string.format('%.0f', number))
  end
end
redis.call('HSET', key, 'signIns', string.format('%.0f', number), 'ended', last .. ' ' .. string.format('%.0f', now))
return tonumber(last)
`

/** Drops entries from the index KEYS[1], and an index that has no other. ARGV: how long an end of all is remembered, handles. */
export const dropScript: string = `
local key = KEYS[1]
for i = 2, #ARGV do redis.call('HDEL', key, ARGV[i]) end
local ended = redis.call('HEXISTS', key, 'ended')
if redis.call('HLEN', key) > 1 + ended then return 0 end
if ended == 1 then redis.call('PEXPIRE', key, ARGV[1]) else redis.call('DEL', key) end
return 0
`
