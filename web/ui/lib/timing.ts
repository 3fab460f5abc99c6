/** A piece of a call's time, in microseconds after it began. */
export interface Segment {
  readonly key: string
  readonly label: string
  readonly meaning: string
  readonly fromUs: number
  readonly toUs: number
}

const steps = [
  { mark: 'admitted', key: 'admit', label: 'Weir', meaning: 'reading the request, deciding where it goes' },
  { mark: 'sent', key: 'send', label: 'Connect and send', meaning: 'until the request was sent' },
  {
    mark: 'sentAgain',
    key: 'earlier',
    label: 'Earlier attempts',
    meaning: 'and the waits between them, until the one that counts',
  },
  { mark: 'headers', key: 'wait', label: 'Waiting for the provider', meaning: 'until the head of the answer came' },
  { mark: 'firstByte', key: 'byte', label: 'First byte', meaning: 'until the first byte of the body' },
  { mark: 'firstContent', key: 'content', label: 'First content', meaning: 'until the first content of the answer' },
  { mark: 'lastByte', key: 'body', label: 'Answer', meaning: 'until the last byte' },
  { mark: 'closed', key: 'close', label: 'Close', meaning: 'until the connection was let go' },
] as const

/** The marks of a call, with the start of the attempt that its last ones are of: `sentAgain`, where that is not the first. */
export const marksOf = (
  marksUs: Readonly<Record<string, number>>,
  attempts: readonly { readonly startUs: number }[],
): Readonly<Record<string, number>> => {
  const last = attempts.at(-1)
  return attempts.length < 2 || last === undefined ? marksUs : { ...marksUs, sentAgain: last.startUs }
}

/**
 * What a call's time went into, in order. A mark that was never reached makes no piece; what came after it is counted from the last
 * one that was.
 *
 * @param marksUs Microseconds after the call began.
 */
export const segmentsOf = (marksUs: Readonly<Record<string, number>>): readonly Segment[] => {
  const segments: Segment[] = []
  let at = 0
  for (const { mark, key, label, meaning } of steps) {
    const to = marksUs[mark]
    if (to === undefined || to < at) continue
    if (to > at) segments.push({ key, label, meaning, fromUs: at, toUs: to })
    at = to
  }
  return segments
}

/** Where a piece lies on a bar of this length, in percent. Never so thin that it cannot be seen. */
export const placeOf = ({ fromUs, toUs }: Pick<Segment, 'fromUs' | 'toUs'>, totalUs: number): { left: number; width: number } => {
  if (totalUs <= 0) return { left: 0, width: 0 }
  const width = Math.max(((toUs - fromUs) / totalUs) * 100, 0.4)
  return { left: Math.min((fromUs / totalUs) * 100, 100 - width), width }
}
