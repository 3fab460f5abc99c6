import { circuitRules as rules } from './circuit-rules.js'

/**
 * `memory-breaker.ts` once more, in Lua, step by step. A circuit is a hash: `open` and `probing`, until when (ms); `openings` and `row`,
 * how often it was opened and how many failures came one after the other; `a<slot>` and `f<slot>`, all and failed attempts of a slot of the
 * window. It goes ten minutes after it was last touched, when it is not open longer. ARGV[1]: the time, empty = what
 * Redis says it is.
 */
const circuit = `
local now = tonumber(ARGV[1])
if now == nil then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function read(key)
  local kept = { open = 0, probing = 0, openings = 0, row = 0 }
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do kept[flat[i]] = tonumber(flat[i + 1]) end
  return kept
end
local function state_of(kept)
  if kept.open == 0 then return 0, 0 end
  local till = math.max(kept.open, kept.probing)
  if now < till then return 1, till - now end
  return 2, 0
end
local function put(key, kept, names)
  local flat = {}
  for _, name in ipairs(names) do
    flat[#flat + 1] = name
    flat[#flat + 1] = string.format('%.0f', kept[name])
  end
  redis.call('HSET', key, unpack(flat))
  redis.call('PEXPIRE', key, string.format('%.0f', math.max(0, kept.open - now) + ${rules.keptMs}))
end
`

/** KEYS: circuits. Returns, for each, 0 closed, 1 open, 2 half open, and how many ms it is open yet. */
export const lookScript = `${circuit}
local found = {}
for i, key in ipairs(KEYS) do found[2 * i - 1], found[2 * i] = state_of(read(key)) end
return found
`

/** KEYS: a circuit. Returns 1 if it may be tried, else 0; then its state as above. */
export const probeScript = `${circuit}
local kept = read(KEYS[1])
local state, left = state_of(kept)
if state == 2 then
  kept.probing = now + ${rules.probeMs}
  put(KEYS[1], kept, { 'probing' })
  return { 1, 1, ${rules.probeMs} }
end
return { state == 1 and 0 or 1, state, left }
`

/** KEYS: a circuit. ARGV[2]: `works`, `fails`, or the ms it asks to be left alone. Returns its state as above. */
export const noteScript = `${circuit}
local key, health = KEYS[1], ARGV[2]
local kept = read(key)
if health == 'works' or health == 'fails' then
  if health == 'works' and kept.open ~= 0 then
    redis.call('DEL', key)
    kept = { open = 0, probing = 0, openings = 0, row = 0 }
  end
  local state = state_of(kept)
  local was_probe = kept.open ~= 0 and now >= kept.open
  local slot = math.floor(now / ${rules.slotMs})
  local a, f = 'a' .. string.format('%.0f', slot), 'f' .. string.format('%.0f', slot)
  local failed = health == 'fails' and 1 or 0
  kept[a], kept[f] = (kept[a] or 0) + 1, (kept[f] or 0) + failed
  kept.row = failed == 1 and kept.row + 1 or 0
  local all, bad, old = 0, 0, {}
  for name, n in pairs(kept) do
    local of, at = string.match(name, '^([af])(%d+)$')
    if of ~= nil and tonumber(at) <= slot - ${rules.slots} then old[#old + 1] = name
    elseif of == 'a' then all = all + n
    elseif of == 'f' then bad = bad + n end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  if failed == 1 and (state ~= 1 or was_probe) then
    local failing = kept.row >= ${rules.mostInARow} or (all >= ${rules.enough} and bad / all >= ${rules.share})
    if was_probe or failing then
      kept.open = now + math.min(${rules.mostOpenMs}, ${rules.firstOpenMs} * 2 ^ kept.openings)
      kept.openings = kept.openings + 1
      kept.probing = 0
    end
  end
  put(key, kept, { 'open', 'probing', 'openings', 'row', a, f })
elseif tonumber(health) > 0 then
  kept.open = math.max(kept.open, now + math.min(${rules.mostAskedMs}, tonumber(health)))
  kept.probing = 0
  put(key, kept, { 'open', 'probing', 'openings', 'row' })
end
local state, left = state_of(kept)
return { state, left }
`
