// Loaded into a proxy before its own code (NODE_OPTIONS=--import): at SIGUSR2 it does to the proxy's worker threads what the file
// WEIR_CHAOS_THREADS says: `kill`, or `freeze` and milliseconds. The product has no such switch.
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import threads from 'node:worker_threads'

const file = process.env.WEIR_CHAOS_THREADS
const orders = new threads.BroadcastChannel('weir-chaos')
orders.unref()

if (threads.isMainThread) {
  const running = new Set()
  threads.Worker = class extends threads.Worker {
    constructor(...args) {
      super(...args)
      running.add(this)
      this.once('exit', () => running.delete(this))
    }
  }
  syncBuiltinESMExports()
  process.on('SIGUSR2', () => {
    const [what, ms] = readFileSync(file, 'utf8').trim().split(' ')
    if (what === 'kill') for (const worker of running) void worker.terminate()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel of threads has no origin
    else orders.postMessage(Number(ms))
  })
} else orders.onmessage = ({ data: ms }) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
