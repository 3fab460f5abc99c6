import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../cli/fake-provider/server.js'
import { openHouse, providersAt } from './support/house.js'
import { send } from './support/send.js'

// A Weir key from its making to its end, in a whole house: made, pasted, used, taken back. It stands nowhere but with its caller.

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

interface Made {
  readonly key: string
  readonly yaml: string
}
const weirKeyNew = (...args: string[]): Made => {
  const { stdout, stderr } = spawnSync(process.execPath, [main, 'key', 'new', ...args, '--json'], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout) as Made
}

/** Nothing, of a file that the engine has removed in the meantime. */
const bytesOf = (path: string): Buffer => {
  try {
    return readFileSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw cause
  }
}

/** Every file below a folder that holds one of the texts, in clear or as base64. */
const filesWith = (folder: string, texts: readonly string[]): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => {
      const bytes = bytesOf(path)
      return texts.some((text) => bytes.includes(text) || bytes.includes(Buffer.from(text).toString('base64').slice(0, -4)))
    })

const patience = { timeout: 30_000 }
const body = JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'Hi' }] })

test('made, pasted, used, taken back; two tenants, two rows; no key is written anywhere', async () => {
  const fake = await startFakeProvider()
  onTestFinished(() => fake.close())
  const acme = weirKeyNew('app', '--tenant', 'acme')
  const beta = weirKeyNew('app-of-beta', '--tenant', 'beta')
  const yamlWith = (...keys: readonly Made[]): string =>
    `auth: required\n${providersAt(fake.origin, ['openai'])}keys:\n${keys.map(({ yaml }) => `  ${yaml}\n`).join('')}`
  const house = await openHouse({
    yaml: yamlWith(acme, beta),
    env: { WEIR_ADMIN_SECRET: 'admin-secret-of-at-least-32-characters' },
  })
  onTestFinished(() => house.stop())
  const ask = (headers: Record<string, string>, path = '/openai/v1/chat/completions') =>
    send(`${house.proxy}${path}`, { headers: { 'content-type': 'application/json', ...headers }, body })
  const sql = async (id: string): Promise<unknown> => {
    let found: unknown[] = []
    await expect
      .poll(async () => {
        const res = await fetch(`${house.sql}/?param_id=${id}`, {
          method: 'POST',
          headers: { authorization: 'Bearer admin-secret-of-at-least-32-characters' },
          body: 'SELECT tenant_id, key_id, outcome, status, error_code FROM requests WHERE request_id = {id:UUID} FORMAT JSONCompactEachRow',
        })
        found = (await res.text()).split('\n').filter(Boolean)
        return found.length
      }, patience)
      .toBe(1)
    return JSON.parse(String(found[0]))
  }
  const one = await ask({ authorization: `Bearer sk-proj-1, Bearer ${acme.key}` })
  const two = await ask({ authorization: 'Bearer sk-proj-1' }, `/${beta.key}/openai/v1/chat/completions`)
  const none = await ask({ authorization: 'Bearer sk-proj-1' })
  expect([one.status, two.status, none.status]).toEqual([200, 200, 401])
  expect(await sql(one.id)).toEqual(['acme', 'app', 'complete', 200, ''])
  expect(await sql(two.id)).toEqual(['beta', 'app-of-beta', 'complete', 200, ''])
  expect(await sql(none.id)).toEqual(['default', expect.stringMatching(/^[0-9a-f]{12}$/), 'refused', 401, 'auth_missing'])

  writeFileSync(house.configFile, yamlWith(beta))
  let refused = one
  await expect.poll(async () => (refused = await ask({ 'Weir-Auth': `Bearer ${acme.key}` })).status, patience).toBe(401)
  expect(refused.json()).toMatchObject({ error: { code: 'auth_invalid' } })
  expect(await sql(refused.id)).toEqual(['default', expect.stringMatching(/^weir-[0-9a-f]{12}$/), 'refused', 401, 'auth_invalid'])
  expect((await ask({ 'Weir-Auth': `Bearer ${beta.key}` })).status).toBe(200)

  expect(JSON.stringify(fake.seen)).not.toMatch(/sk-weir-/)
  expect(filesWith(house.folder, [acme.key, beta.key])).toEqual([])
  expect(house.stderr()).not.toMatch(/sk-weir-/)
})
