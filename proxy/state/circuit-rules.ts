const windowMs = 60_000
const slots = 12

/** When a circuit opens and for how long (routing.md §7). */
export const circuitRules = {
  /** So many failures one after the other, or this share of enough attempts within the window, open it. */
  mostInARow: 5,
  share: 0.5,
  enough: 10,
  /** The window slides in slots. */
  slots,
  slotMs: windowMs / slots,
  /** How long it is open, doubled each time the attempt after it fails. */
  firstOpenMs: 30_000,
  mostOpenMs: 300_000,
  /** What a target asks for itself. */
  mostAskedMs: 60_000,
  /** An attempt that is never reported holds its place for so long. */
  probeMs: 60_000,
  /** In Redis: how long one that nobody uses is remembered once it is not open any more. */
  keptMs: 600_000,
} as const
