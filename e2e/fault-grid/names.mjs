// Loaded before a house (NODE_OPTIONS): names under grid.test are resolved as a test wants them, without asking anybody.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'

/** Longer than anybody waits for a connection here. */
const slowMs = 6000

const usual = dns.lookup
const here = { address: '127.0.0.1', family: 4 }

dns.lookup = (name, options, done) => {
  if (name.endsWith('.slow.grid.test')) {
    setTimeout(() => (options.all ? done(null, [here]) : done(null, here.address, here.family)), slowMs).unref()
  } else if (name.endsWith('.none.grid.test')) {
    const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), {
      code: 'ENOTFOUND',
      syscall: 'getaddrinfo',
      hostname: name,
    })
    setImmediate(() => done(error))
  } else usual(name, options, done)
}
syncBuiltinESMExports()
