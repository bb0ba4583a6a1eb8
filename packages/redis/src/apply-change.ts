import { createHash } from 'node:crypto'
import type { TextChange } from '@sojourn/keyv'

/**
 * `RecordEditor.apply` as a Redis script: the same merge of lines, in one atomic step and one round trip. Lines are found
 * by plain search, so the cost grows with the change and hardly with the session; values are never decoded. Answers `{'gone'}`, `{'conflict', text}` or `{'written', version}`.
 *
 * KEYS[1] the session; ARGV: now, expiresAt or '', life in ms or '', expectedVersion or '', then three lists, each after
 * its length: set (key, value), remove (key), expected (key, value or '' for absent).
 */
export const applyChangeScript = `
local text = redis.call('GET', KEYS[1])
if not text then return {'gone'} end
local version, created, expires, rest, at = string.match(text, '^{"version":(%d+),"createdAt":([^,]+),"expiresAt":([^,]+)([^\\n]*)\\n()')
if not version or string.sub(text, -3) ~= '\\n}}' then return redis.error_reply('CORRUPT the value is no session') end
if tonumber(expires) <= tonumber(ARGV[1]) then return {'gone'} end

-- A line break, then each line with a comma and a line break behind it.
local body = '\\n'
if string.sub(text, at, -4) ~= '' then body = '\\n' .. string.sub(text, at, -4) .. ',\\n' end

-- Where the line of a key begins (after the line break), where its value begins, and where its line break is.
local function find(key)
  local before = string.find(body, '\\n' .. key .. ':', 1, true)
  if not before then return nil end
  local value = before + string.len(key) + 2
  return before + 1, value, string.find(body, '\\n', value, true)
end

-- The first argument of each list, and how many it has.
local set, sets = 6, tonumber(ARGV[5])
local remove = set + 2 * sets + 1
local removes = tonumber(ARGV[remove - 1])
local expected = remove + removes + 1
local expects = tonumber(ARGV[expected - 1])

local holds = ARGV[4] == '' or ARGV[4] == version
for i = expected, expected + 2 * expects - 1, 2 do
  local _, value, last = find(ARGV[i])
  local stands = value and string.sub(body, value, last - 2) or ''
  if stands ~= ARGV[i + 1] then holds = false end
end
if not holds then return {'conflict', text} end

for i = remove, remove + removes - 1 do
  local line, _, last = find(ARGV[i])
  if line then body = string.sub(body, 1, line - 1) .. string.sub(body, last + 1) end
end
for i = set, set + 2 * sets - 1, 2 do
  local _, value, last = find(ARGV[i])
  if value then body = string.sub(body, 1, value - 1) .. ARGV[i + 1] .. string.sub(body, last - 1)
  else body = body .. ARGV[i] .. ':' .. ARGV[i + 1] .. ',\\n' end
end
version = string.format('%d', tonumber(version) + 1)
if ARGV[2] ~= '' then expires = ARGV[2] end
if tonumber(expires) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  return {'written', version}
end

local head = '{"version":' .. version .. ',"createdAt":' .. created .. ',"expiresAt":' .. expires .. rest
local merged = head .. '\\n' .. string.sub(body, 2, -3) .. '\\n}}'
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
