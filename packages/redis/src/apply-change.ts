import type { TextChange } from '@sojourn/keyv'

/** From so many keys on it is cheaper to take the whole text apart. */
const manyKeys = 16

/**
 * `RecordEditor.apply` as a Redis script: the same merge of lines, in one atomic step and one round trip; values are never
 * decoded. The lines of a few keys are found by plain search, so the cost hardly grows with the session; for many keys the
 * text is taken apart once, so the cost is never that of keys times length. Answers `{'gone'}`, `{'conflict', text}` or
 * `{'written', version}`.
 *
 * KEYS[1] the session; ARGV: expiresAt or '', its life in ms or '', now, expectedVersion or '', the milliseconds
 * that a command may be on its way, then three lists, each
 * after its length: set (key, value), remove (key), expected (key, value or '' for absent).
 */
export const applyChangeScript: string = `
local text = redis.call('GET', KEYS[1])
if not text or text == '' then return {'gone'} end
local version, created, expires, rest, at = string.match(text, '^{"v":(%d+),"created":([^,]+),"expires":([^,]+)([^\\n]*)\\n()')
if not version or string.sub(text, -3) ~= '\\n}}' then return redis.error_reply('CORRUPT the value is no session') end
local late = tonumber(ARGV[3]) - tonumber(expires)
-- Redis counts a life from when it was told: what has just expired by the clock of whoever asks, and is about to here, has.
local longestWay = tonumber(ARGV[5])
if late >= 0 and late < longestWay and late + redis.call('PTTL', KEYS[1]) <= longestWay then return {'gone'} end

-- A line break, then each line with a comma and a line break behind it.
local body = '\\n'
if string.sub(text, at, -4) ~= '' then body = '\\n' .. string.sub(text, at, -4) .. ',\\n' end

-- The text of the record with another body: how to look at a value, to remove a line, to set one, and the result.
local function bySearch()
  -- Where the line of a key begins (after the line break), where its value begins, and where its line break is.
  local function find(key)
    local before = string.find(body, '\\n' .. key .. ':', 1, true)
    if not before then return nil end
    local value = before + string.len(key) + 2
    return before + 1, value, string.find(body, '\\n', value, true)
  end
  return {
    get = function(key)
      local _, value, last = find(key)
      return value and string.sub(body, value, last - 2)
    end,
    remove = function(key)
      local line, _, last = find(key)
      if line then body = string.sub(body, 1, line - 1) .. string.sub(body, last + 1) end
    end,
    set = function(key, new)
      local _, value, last = find(key)
      if value then body = string.sub(body, 1, value - 1) .. new .. string.sub(body, last - 1)
      else body = body .. key .. ':' .. new .. ',\\n' end
    end,
    text = function() return string.sub(body, 2, -3) end,
  }
end

local function byTable()
  local keys, values, places = {}, {}, {}
  local function set(key, new)
    if not places[key] then
      keys[#keys + 1] = key
      places[key] = #keys
    end
    values[key] = new
  end
  for line in string.gmatch(body, '([^\\n]+),\\n') do
    -- A key ends with the first quote that no backslash escapes.
    local last = string.find(line, '["\\\\]', 2)
    while string.byte(line, last) == 92 do last = string.find(line, '["\\\\]', last + 2) end
    set(string.sub(line, 1, last), string.sub(line, last + 2))
  end
  return {
    get = function(key) return values[key] end,
    remove = function(key)
      local place = places[key]
      if place then keys[place] = false end
      places[key], values[key] = nil, nil
    end,
    set = set,
    text = function()
      local lines = {}
      for _, key in ipairs(keys) do
        if key then lines[#lines + 1] = key .. ':' .. values[key] end
      end
      return table.concat(lines, ',\\n')
    end,
  }
end

-- The first argument of each list, and how many it has.
local set, sets = 7, tonumber(ARGV[6])
local remove = set + 2 * sets + 1
local removes = tonumber(ARGV[remove - 1])
local expected = remove + removes + 1
local expects = tonumber(ARGV[expected - 1])

local data = sets + removes + expects > ${manyKeys} and byTable() or bySearch()
local holds = ARGV[4] == '' or ARGV[4] == version
for i = expected, expected + 2 * expects - 1, 2 do
  if (data.get(ARGV[i]) or '') ~= ARGV[i + 1] then holds = false end
end
if not holds then return {'conflict', text} end

for i = remove, remove + removes - 1 do data.remove(ARGV[i]) end
for i = set, set + 2 * sets - 1, 2 do data.set(ARGV[i], ARGV[i + 1]) end
version = string.format('%d', tonumber(version) + 1)
if ARGV[1] ~= '' then expires = ARGV[1] end
local head = '{"v":' .. version .. ',"created":' .. created .. ',"expires":' .. expires .. rest
local merged = head .. '\\n' .. data.text() .. '\\n}}'
if ARGV[2] == '' then
  redis.call('SET', KEYS[1], merged, 'KEEPTTL')
elseif tonumber(ARGV[2]) <= 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], merged, 'PX', ARGV[2])
end
return {'written', version}
`

/**
 * The script's arguments.
 *
 * @param now epoch ms
 * @param longestWay milliseconds that a command may be on its way
 */
export function argumentsOf(change: TextChange, now: number, longestWay: number): string[] {
  const { expiresAt, expectedVersion } = change
  return [
    expiresAt === undefined ? '' : String(expiresAt),
    expiresAt === undefined ? '' : String(Math.ceil(expiresAt - now)),
    String(now),
    expectedVersion === undefined ? '' : String(expectedVersion),
    String(longestWay),
    ...[String(change.set.length), ...change.set.flat()],
    ...[String(change.remove.length), ...change.remove],
    ...[
      String(change.expectedValues.length),
      ...change.expectedValues.flatMap(([key, value]) => [key, value ?? '']),
    ],
  ]
}
