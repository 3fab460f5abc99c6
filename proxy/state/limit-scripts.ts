/**
 * `bucket.ts` once more, in Lua, step by step: doubles both, and the same whole numbers. A bucket is `level rest at quota`. It goes when
 * it is full again, because then it is as one that never was.
 */
const bucket = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function div(a, b)
  local rest = math.fmod(a, b)
  return (a - rest) / b, rest
end
local function level_of(key, quota, window)
  local kept = redis.call('GET', key)
  if not kept then return quota, 0 end
  local level, rest, at, before = string.match(kept, '^(%-?%d+) (%d+) (%d+) (%d+)$')
  level, rest, at, before = tonumber(level), tonumber(rest), tonumber(at), tonumber(before)
  local ms = math.max(0, now - at)
  if ms >= 2 * window then return quota, 0 end
  local windows = 0
  if ms >= window then windows = 1 end
  local left = ms - windows * window
  local each, small = div(before, window)
  local high, low = div(left, 262144)
  local a, a_rest = div(high * small, window)
  local b, b_rest = div(a_rest * 262144, window)
  local c, c_rest = div(low * small, window)
  local d, d_rest = div(rest + b_rest + c_rest, window)
  level = level + windows * before + left * each + a * 262144 + b + c + d
  if level >= before or level >= quota then return quota, 0 end
  if level < -quota then return -quota, 0 end
  return level, d_rest
end
local function put(key, level, rest, quota, window)
  if level >= quota then return redis.call('DEL', key) end
  local kept = redis.call('GET', key)
  local at = now
  if kept then at = math.max(at, tonumber(string.match(kept, '^%-?%d+ %d+ (%d+)'))) end
  local full = math.ceil((quota - level) / quota * window) + 1
  redis.call('SET', key, string.format('%.0f %.0f %.0f %.0f', level, rest, at, quota), 'PX', string.format('%.0f', full + at - now))
end
`

/** Arguments per key: quota, window (ms), cost. Returns 1 or 0, then level and rest per key. */
export const takeScript = `${bucket}
local fits = 1
local levels = {}
for i, key in ipairs(KEYS) do
  local quota, window, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local level, rest = level_of(key, quota, window)
  if quota == 0 or level < cost then fits = 0 end
  levels[2 * i - 1], levels[2 * i] = level, rest
end
if fits == 1 then
  for i, key in ipairs(KEYS) do
    local quota, window, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    levels[2 * i - 1] = levels[2 * i - 1] - cost
    put(key, levels[2 * i - 1], levels[2 * i], quota, window)
  end
end
table.insert(levels, 1, fits)
return levels
`

/** Arguments per key: quota, window (ms), change. */
export const settleScript = `${bucket}
for i, key in ipairs(KEYS) do
  local quota, window, change = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local level, rest = level_of(key, quota, window)
  local left = level + change
  if left < -quota then left, rest = -quota, 0 end
  put(key, left, rest, quota, window)
end
return 1
`
