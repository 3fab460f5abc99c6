import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { channelDoor, type ChannelRoutes } from './channel-door.js'

const token = 't'.repeat(43)

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A server of one role; what is not taken gets 404 `nothing`. */
const open = async (tokens: readonly (string | null)[], routes: ChannelRoutes) => {
  const failures: unknown[] = []
  const door = channelDoor({ tokens, routes, failed: (cause) => failures.push(cause) })
  const server = createServer((req, res) => {
    if (!door(req, res)) res.writeHead(404).end('nothing')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return {
    failures,
    ask: async (path: string, { method = 'GET', headers = { authorization: `Bearer ${token}` }, body }: Asked = {}) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
      return [answer.status, await answer.text()] as const
    },
  }
}
const routes: ChannelRoutes = {
  'GET /internal/facts': () => ({ status: 200, body: { well: true } }),
  'POST /internal/say': (body) => ({ status: 200, body: z.object({ n: z.number() }).parse(body) }),
  'POST /internal/fail': () => Promise.reject(new Error('the password is hunter2')),
}

test('who has the token is answered; any of them will do', async () => {
  for (const tokens of [[token], [null, token], ['other'.repeat(10), token]]) {
    const { ask } = await open(tokens, routes)
    expect(await ask('/internal/facts')).toEqual([200, '{"well":true}'])
    expect(await ask('/internal/facts?x=1')).toEqual([200, '{"well":true}'])
  }
})

test('for everybody else there is nothing: no token, another one, none made, a web page, a path or method that is not there', async () => {
  const { ask } = await open([token], routes)
  const nothing = [404, 'nothing']
  for (const authorization of ['', 'Bearer ', `Bearer ${token}x`, `Basic ${token}`, token])
    expect(await ask('/internal/facts', { headers: { authorization } }), authorization).toEqual(nothing)
  const bearer = { authorization: `Bearer ${token}` }
  expect(await ask('/internal/facts', { headers: {} })).toEqual(nothing)
  expect(await ask('/internal/facts', { headers: { ...bearer, origin: 'http://evil.example' } })).toEqual(nothing)
  for (const site of ['same-origin', 'none', 'cross-site'])
    expect(await ask('/internal/facts', { headers: { ...bearer, 'sec-fetch-site': site } })).toEqual(nothing)
  for (const path of ['/internal/other', '/internal/', '/internal', '/facts']) expect(await ask(path), path).toEqual(nothing)
  expect(await ask('/internal/facts', { method: 'POST' })).toEqual(nothing)
  for (const tokens of [[], [null], ['']]) {
    const shut = await open(tokens, routes)
    expect(await shut.ask('/internal/facts')).toEqual(nothing)
    expect(await shut.ask('/internal/facts', { headers: { authorization: 'Bearer ' } })).toEqual(nothing)
  }
})

test('what cannot be read is told; what fails inside is told to the log alone', async () => {
  const { ask, failures } = await open([token], routes)
  const post = (body: string): Promise<readonly [number, string]> => ask('/internal/say', { method: 'POST', body })
  expect(await post('{"n":1,"m":2}')).toEqual([200, '{"n":1}'])
  expect((await post('{"n":'))[0]).toBe(400)
  expect(await post('{"n":"1"}')).toEqual([422, expect.stringContaining('n: ')])
  expect((await post(JSON.stringify({ n: 1, text: 'x'.repeat(17 * 1024 * 1024) })))[0]).toBe(413)
  const [status, text] = await ask('/internal/fail', { method: 'POST', body: '{}' })
  expect(status).toBe(500)
  expect(text).not.toContain('hunter2')
  expect(failures).toHaveLength(1)
})
