import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo } from 'node:net'

/** Path of a redis-server for tests (`scripts/test.mjs` sees to it); `null` = there is none, and what needs it is left out. */
export const redisServer: string | null = process.env.WEIR_TEST_REDIS || null

export interface TestRedis {
  readonly url: string
  readonly port: number
  /** Stands still, answers nothing, keeps its connections. */
  freeze(): void
  thaw(): void
  /** SIGKILL. */
  kill(): Promise<void>
  /** The same port, empty. */
  startAgain(): Promise<void>
  close(): Promise<void>
}

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

/** A real Redis of the test's own, on a free port, that writes nothing to disk. */
export const startTestRedis = async (path: string): Promise<TestRedis> => {
  const port = await freePort()
  let child: ChildProcess | null = null
  const start = async (): Promise<void> => {
    const started = spawn(
      path,
      ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', '/tmp'],
      {
        stdio: 'ignore',
      },
    )
    child = started
    for (let i = 0; i < 400; i++) {
      if (await answers(port)) return
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}.`)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    throw new Error('redis-server did not answer within 10 s.')
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const running = child
    child = null
    if (running === null || running.exitCode !== null || running.signalCode !== null) return
    const exited = once(running, 'exit')
    running.kill(signal)
    await exited
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    startAgain: start,
    close: () => end('SIGKILL'),
  }
}
