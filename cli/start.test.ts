import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { FakeProvider } from './fake-provider/server.js'
import { startFakeProvider } from './fake-provider/server.js'
import type { WeirProcess } from './testing.js'
import { isAlive, runWeir } from './testing.js'

interface Ready {
  proxy: string
  web: string
  sql: string
  pids: { supervisor: number; proxy: number; hub: number }
}

const folder = mkdtempSync(join(tmpdir(), 'weir-start-'))
let fake: FakeProvider
beforeAll(async () => {
  fake = await startFakeProvider()
})
afterAll(async () => {
  await fake.close()
  rmSync(folder, { recursive: true, force: true })
})

const ports = { WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_SQL_PORT: '0' }
const yaml = (name: string, text = `providers:\n  openai: { origin: "${fake.origin}" }\n`): string => {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(path, text)
  return path
}
const dataOf = (name: string): string => join(folder, name, 'data')

const begin = async (name: string, env: Record<string, string> = {}): Promise<{ weir: WeirProcess; ready: Ready }> => {
  const weir = runWeir(['start', '--json'], { ...ports, WEIR_DATA: dataOf(name), WEIR_CONFIG: yaml(name), ...env }, folder)
  const ready = JSON.parse(await weir.firstLine) as Ready
  onTestFinished(() => {
    for (const pid of Object.values(ready.pids)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    weir.child.kill('SIGKILL')
  })
  return { weir, ready }
}

const call = (proxy: string, xFake = '', content = 'hello'): Promise<Response> =>
  fetch(`${proxy}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer k', 'x-fake': xFake },
    body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content }] }),
  })
const rows = async (sql: string): Promise<number> =>
  Number(await (await fetch(sql, { method: 'POST', body: 'SELECT count() FROM requests' })).text())
const answers = (url: string): Promise<boolean> =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  )

describe('weir start', () => {
  test('prints one line, passes calls, and brings back what is killed where it was', { timeout: 90_000 }, async () => {
    const { weir, ready } = await begin('kills')
    expect(Object.keys(ready)).toEqual(['proxy', 'web', 'sql', 'pids'])
    expect(Object.keys(ready.pids)).toEqual(['supervisor', 'proxy', 'hub'])
    expect(ready.pids.supervisor).toBe(weir.child.pid)
    expect(statSync(dataOf('kills')).mode & 0o777).toBe(0o700)
    expect((await call(ready.proxy)).status).toBe(200)

    process.kill(ready.pids.proxy, 'SIGKILL')
    await expect.poll(() => isAlive(ready.pids.proxy)).toBe(false)
    await expect.poll(() => answers(ready.proxy), { timeout: 20_000 }).toBe(true)
    expect((await call(ready.proxy)).status).toBe(200)

    process.kill(ready.pids.hub, 'SIGKILL')
    await expect.poll(() => isAlive(ready.pids.hub)).toBe(false)
    expect((await call(ready.proxy)).status).toBe(200)
    await expect.poll(() => rows(ready.sql).catch(() => -1), { timeout: 40_000 }).toBe(3)
    expect(weir.stdout().trim().split('\n')).toHaveLength(1)
  })

  test('SIGTERM lets the open call end, reads the journal out and leaves no process', { timeout: 60_000 }, async () => {
    const { weir, ready } = await begin('drain')
    const before = fake.total()
    const slow = call(ready.proxy, 'delay=1500')
    await expect.poll(() => fake.total()).toBe(before + 1)
    process.kill(ready.pids.supervisor, 'SIGTERM')
    expect((await slow).status).toBe(200)
    expect(await weir.exited).toBe(0)
    expect(Object.values(ready.pids).filter(isAlive)).toEqual([])

    const again = await begin('drain')
    expect(await rows(again.ready.sql)).toBe(1)
  })

  test('the second signal does not wait for the open call', { timeout: 60_000 }, async () => {
    const { weir, ready } = await begin('hurry')
    const before = fake.total()
    const hanging = call(ready.proxy, 'hang').catch(() => null)
    await expect.poll(() => fake.total()).toBe(before + 1)
    process.kill(ready.pids.supervisor, 'SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(isAlive(ready.pids.proxy)).toBe(true)
    process.kill(ready.pids.supervisor, 'SIGTERM')
    expect(await weir.exited).toBe(0)
    // It is told, not cut: another attempt will meet the successor.
    const refused = await hanging
    expect([refused?.status, refused?.headers.get('weir-error')]).toEqual([503, 'draining'])
    expect(Object.values(ready.pids).filter(isAlive)).toEqual([])
  })

  test('roles whose supervisor was killed end by themselves', { timeout: 60_000 }, async () => {
    const { ready } = await begin('orphans')
    process.kill(ready.pids.supervisor, 'SIGKILL')
    await expect.poll(() => [ready.pids.proxy, ready.pids.hub].filter(isAlive), { timeout: 30_000 }).toEqual([])
  })

  test('a saved weir.yaml is applied; a bad one changes nothing and is told', { timeout: 60_000 }, async () => {
    const { weir, ready } = await begin('reload')
    const other = (body: string): Promise<Response> =>
      fetch(`${ready.proxy}/mine/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const body = JSON.stringify({ model: 'm', messages: [] })
    expect((await other(body)).status).toBe(404)
    yaml('reload', `providers:\n  openai: { origin: "${fake.origin}" }\n  mine: { origin: "${fake.origin}" }\n`)
    await expect.poll(async () => (await other(body)).status, { timeout: 10_000 }).toBe(200)
    yaml('reload', 'providers:\n  mine: { orgin: "http://127.0.0.1:1" }\n')
    await expect
      .poll(() => weir.stderr(), { timeout: 10_000 })
      .toMatch(/reload\.yaml:2:\d+: unknown key \\?"providers\.mine\.orgin/)
    expect(weir.stderr()).toContain('was changed but not applied')
    expect((await other(body)).status).toBe(200)
  })

  test('a trace destination that is added gets the calls from then on, without a restart', { timeout: 60_000 }, async () => {
    const got: string[] = []
    const receiver = createHttpServer((req, res) => {
      got.push(req.url ?? '')
      req.resume()
      res.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void receiver.close())
    const { port } = receiver.address() as AddressInfo
    const { ready, weir } = await begin('exports')
    yaml(
      'exports',
      `providers:\n  openai: { origin: "${fake.origin}" }\nexports:\n  - { name: jaeger, endpoint: "http://127.0.0.1:${port}/v1/traces" }\n`,
    )
    await expect.poll(() => weir.stderr(), { timeout: 20_000 }).toContain('exports.yaml applied: exports.')
    expect((await call(ready.proxy)).status).toBe(200)
    await expect.poll(() => got, { timeout: 20_000 }).toContain('/v1/traces')
    await expect.poll(() => rows(ready.sql), { timeout: 20_000 }).toBe(1)
  })
})

describe('roles alone', () => {
  test(
    'what the proxy journals, ingest takes up; both drain by themselves; one at a time on the store',
    { timeout: 90_000 },
    async () => {
      const env = { ...ports, WEIR_DATA: dataOf('alone'), WEIR_CONFIG: yaml('alone') }
      const begun = (name: string): WeirProcess => {
        const weir = runWeir([name], env, folder)
        onTestFinished(() => void weir.child.kill('SIGKILL'))
        return weir
      }
      const isReady = (weir: WeirProcess, name: string): Promise<void> =>
        expect.poll(() => weir.stderr(), { timeout: 30_000 }).toContain(`${name} is ready.`)

      const proxy = begun('proxy')
      await isReady(proxy, 'proxy')
      const [, port] = /"proxy":(\d+)/.exec(proxy.stderr()) ?? []
      expect((await call(`http://127.0.0.1:${port}`)).status).toBe(200)

      const ingest = begun('ingest')
      await isReady(ingest, 'ingest')
      const second = begun('ingest')
      expect(await second.exited).toBe(1)
      expect(second.stderr()).toMatch(/is in use by process \d+ on host /)
      ingest.child.kill('SIGTERM')
      expect(await ingest.exited).toBe(0)

      const web = begun('web')
      await isReady(web, 'web')
      const [, webPort] = /"web":(\d+)/.exec(web.stderr()) ?? []
      const health = (await (await fetch(`http://127.0.0.1:${webPort}/api/health`)).json()) as { hasRows: boolean }
      expect(health.hasRows).toBe(true)
      for (const role of [proxy, web]) role.child.kill('SIGTERM')
      expect([await proxy.exited, await web.exited]).toEqual([0, 0])
    },
  )
})

describe('a start that cannot succeed', () => {
  const fails = async (env: Record<string, string>): Promise<string> => {
    const weir = runWeir(['start'], { ...ports, WEIR_CONFIG: '/dev/null', ...env }, folder)
    expect(await weir.exited).toBe(1)
    expect(weir.stdout()).toBe('')
    return weir.stderr()
  }

  test('port taken: the port, its variable, the way out; nothing is left running', { timeout: 30_000 }, async () => {
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void holder.close())
    const { port } = holder.address() as AddressInfo
    expect(await fails({ WEIR_DATA: dataOf('taken'), WEIR_WEB_PORT: String(port) })).toBe(
      `Port ${port} on 127.0.0.1 is taken by another program: stop that one, or set WEIR_WEB_PORT to another port (0 picks a free one).\n`,
    )
  })

  test('data folder in use: the owner, the way out', { timeout: 60_000 }, async () => {
    const { ready } = await begin('owned')
    const said = await fails({ WEIR_DATA: dataOf('owned') })
    expect(said).toMatch(
      new RegExp(`^The data folder ${dataOf('owned')} is in use by another Weir, process ${ready.pids.hub} on host .*WEIR_DATA`),
    )
    expect(said.trim().split('\n')).toHaveLength(1)
    expect((await call(ready.proxy)).status).toBe(200)
  })

  test('broken weir.yaml, bad variable, folder that cannot be: one sentence each', { timeout: 60_000 }, async () => {
    expect(await fails({ WEIR_DATA: dataOf('bad'), WEIR_CONFIG: yaml('bad', 'exprots: []\n') })).toMatch(
      /bad\.yaml:1:1: unknown key "exprots"\. Did you mean "exports"\?/,
    )
    expect(await fails({ WEIR_DATA: dataOf('bad'), WEIR_HOST: '0.0.0.0' })).toContain('WEIR_ADMIN_SECRET')
    expect(await fails({ WEIR_DATA: '/dev/null/weir' })).toBe(
      'The data folder /dev/null/weir cannot be used, a part of this path is a file: set WEIR_DATA to a folder.\n',
    )
  })
})

describe('weir', () => {
  const said = async (args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const weir = runWeir(args, { WEIR_CONFIG: '/dev/null' }, folder)
    const code = await weir.exited
    return { code, stdout: weir.stdout(), stderr: weir.stderr() }
  }

  test('tells its version, its commands, and the nearest one', { timeout: 60_000 }, async () => {
    expect((await said(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect((await said(['--help'])).stdout).toMatch(/ {2}start .*\n {2}demo /)
    expect(await said(['strat'])).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean "weir start"?') })
    expect(await said(['start', '--josn'])).toMatchObject({ code: 2, stderr: expect.stringContaining("'--josn'") })
  })

  test.each(['start', 'demo', 'proxy', 'ingest', 'web', 'doctor', 'config'])('%s has a help of its own', async (name) => {
    const { code, stdout } = await said([name, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^weir ${name}: .+\\n\\nusage: weir ${name} `))
    expect(stdout).toContain('--help')
  })
})
