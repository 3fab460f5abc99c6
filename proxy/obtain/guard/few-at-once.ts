import type { Network } from './network.js'

const mostAtOnce = 2

/**
 * Look-ups of names that callers chose, two at a time: each holds a thread of the few that files and all other names need, too, for as
 * long as somebody's name server likes. Who waits too long is given up by the time-out of its connection.
 */
export const fewAtOnce = (lookup: Network['lookup']): Network['lookup'] => {
  const waiting: (() => void)[] = []
  let running = 0
  const next = (): void => {
    running--
    waiting.shift()?.()
  }
  return (host, options, done) => {
    const run = (): void => {
      running++
      lookup(host, options, (error, addresses) => {
        next()
        done(error, addresses)
      })
    }
    if (running < mostAtOnce) run()
    else waiting.push(run)
  }
}
