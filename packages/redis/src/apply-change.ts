import { createHash } from 'node:crypto'
import type { TextChange } from '@sojourn/keyv'

/**
 * `RecordEditor.apply` as a Redis script: the same merge of lines, in one atomic step and one round trip. Values are
 * moved about as text and never decoded. Answers `{'gone'}`, `{'conflict', text}` or `{'written', version}`.
 *
 * KEYS[1] the session; ARGV: now, expiresAt or '', life in ms or '', expectedVersion or '', then three lists, each after
 * its length: set (key, value), remove (key), expected (key, value or '' for absent).
 */
export const applyChangeScript = `
local text = redis.call('GET', KEYS[1])
if not text then return {'gone'} end
local version, created, expires, rest, at = string.match(text, '^{"version":(%d+),"createdAt":([^,]+),"expiresAt":([^,]+)([^\\n]*)\\n()')
if not version then return redis.error_reply('CORRUPT the value is no session') end
if tonumber(expires) <= tonumber(ARGV[1]) then return {'gone'} end

local keys, values = {}, {}
for line in string.gmatch(string.sub(text, at), '([^\\n]+)') do
  if line ~= '}}' then
    local i = 2
    while true do
      local found, _, character = string.find(line, '(["\\\\])', i)
      if not found then return redis.error_reply('CORRUPT the value is no session') end
      i = found
      if character == '"' then break end
      i = i + 2
    end
    local key = string.sub(line, 1, i)
    local last = string.sub(line, -1) == ',' and -2 or -1
    keys[#keys + 1] = key
    values[key] = string.sub(line, i + 2, last)
  end
end

local next = 5
local function pairsAt(step)
  local list, count = {}, tonumber(ARGV[next])
  next = next + 1
  for i = 1, count do
    list[i] = {ARGV[next], ARGV[next + 1]}
    next = next + step
  end
  return list
end
local set, remove, expected = pairsAt(2), pairsAt(1), pairsAt(2)

local holds = ARGV[4] == '' or ARGV[4] == version
for _, pair in ipairs(expected) do
  if (values[pair[1]] or '') ~= pair[2] then holds = false end
end
if not holds then return {'conflict', text} end

for _, pair in ipairs(remove) do values[pair[1]] = nil end
for _, pair in ipairs(set) do
  if not values[pair[1]] then keys[#keys + 1] = pair[1] end
  values[pair[1]] = pair[2]
end
version = string.format('%d', tonumber(version) + 1)
if ARGV[2] ~= '' then expires = ARGV[2] end
if tonumber(expires) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  return {'written', version}
end

-- A key that was removed and set again is in the list twice: its last place counts.
local backwards, seen = {}, {}
for i = #keys, 1, -1 do
  local key = keys[i]
  if values[key] and not seen[key] then
    seen[key] = true
    backwards[#backwards + 1] = key .. ':' .. values[key]
  end
end
local lines = {}
for i = #backwards, 1, -1 do lines[#lines + 1] = backwards[i] end
local head = '{"version":' .. version .. ',"createdAt":' .. created .. ',"expiresAt":' .. expires .. rest
local merged = head .. '\\n' .. table.concat(lines, ',\\n') .. '\\n}}'
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], merged, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], merged, 'PX', ARGV[3])
end
return {'written', version}
`

export const applyChangeSha: string = createHash('sha1').update(applyChangeScript).digest('hex')

/** The script's arguments. @param now epoch ms */
export function argumentsOf(change: TextChange, now: number): string[] {
  const { expiresAt, expectedVersion } = change
  return [
    String(now),
    expiresAt === undefined ? '' : String(expiresAt),
    expiresAt === undefined ? '' : String(Math.max(1, Math.ceil(expiresAt - now))),
    expectedVersion === undefined ? '' : String(expectedVersion),
    ...[String(change.set.length), ...change.set.flat()],
    ...[String(change.remove.length), ...change.remove],
    ...[
      String(change.expectedValues.length),
      ...change.expectedValues.flatMap(([key, value]) => [key, value ?? '']),
    ],
  ]
}
