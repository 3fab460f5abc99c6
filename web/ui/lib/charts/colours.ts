import { slots } from '../series.js'

/** Endings have colours of their own: green is never a failure, red never a success. */
const meaning: Readonly<Record<string, string>> = {
  complete: 'var(--series-4)',
  cached: 'var(--series-1)',
  refused: 'var(--series-6)',
  client_abort: 'var(--series-2)',
  upstream_abort: 'var(--series-5)',
  error_event: 'var(--series-8)',
  stall: 'var(--series-3)',
  proxy_lost: 'var(--bad)',
}

/** Colours of outcomes. */
export const outcomeColour = (key: string): string => meaning[key] ?? 'var(--series-other)'

/** Colour of a slot, 0 to 7; `null` = everything else. */
export const slotColour = (slot: number | null): string =>
  slot === null ? 'var(--series-other)' : `var(--series-${(slot % slots) + 1})`

/** What a colour token is at the moment, for a canvas, which knows no tokens. */
export const resolved = (token: string, near: HTMLElement): string => {
  const probe = document.createElement('span')
  probe.style.color = token
  near.append(probe)
  const colour = getComputedStyle(probe).color
  probe.remove()
  return colour
}
