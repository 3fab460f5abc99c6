import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { healthCauses, wordOf, type Cause } from '../../core/health-causes.js'
import type { RunningHouse } from './house.js'
import { until } from './wait.js'

const weir = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** What /readyz answers. */
export interface Readyz {
  readonly code: number
  readonly status: string
  readonly causes: readonly Cause[]
}

export const readyz = async (url: string, headers: Readonly<Record<string, string>> = {}): Promise<Readyz> => {
  const answer = await fetch(`${url}/readyz`, { headers })
  return { code: answer.status, ...((await answer.json()) as Omit<Readyz, 'code'>) }
}

/** The series of `weir_degraded` that are 1, as `cause` or `cause{destination}`. */
export const degraded = async (url: string): Promise<string[]> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return [...text.matchAll(/^weir_degraded\{cause="(\w+)"(?:,destination="([^"]*)")?\} 1$/gm)].map(([, word = '', of]) =>
    of === undefined ? word : `${word}{${of}}`,
  )
}

const health = async (house: RunningHouse): Promise<readonly Cause[]> =>
  ((await (await fetch(`${house.web}/api/health`)).json()) as { causes: Cause[] }).causes

/** What `weir doctor` says of a running house, besides `ok`. */
const doctor = (house: RunningHouse, env: Readonly<Record<string, string>>): Promise<{ state: string; message: string }[]> =>
  new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [weir, 'doctor', '--json'],
      {
        cwd: house.folder,
        env: {
          PATH: process.env.PATH,
          WEIR_DATA: join(house.folder, 'data'),
          WEIR_CONFIG: house.configFile,
          WEIR_PROXY_PORT: new URL(house.proxy).port,
          WEIR_WEB_PORT: new URL(house.web).port,
          ...env,
        },
        timeout: 60_000,
      },
      (cause, stdout) => {
        if (stdout === '') return reject(cause as Error)
        resolve(
          (JSON.parse(stdout) as { checks: { state: string; message: string }[] }).checks.filter(({ state }) => state !== 'ok'),
        )
      },
    )
  })

export interface Wanted {
  readonly cause: string
  /** Who tells of it, on its own /readyz and /metrics. */
  readonly by: 'proxy' | 'hub'
  readonly effect: RegExp
  readonly env?: Readonly<Record<string, string>>
}

/** Waits until a cause is told in every place, in the same words. */
export const toldEverywhere = async (house: RunningHouse, { cause, by, effect, env = {} }: Wanted): Promise<void> => {
  const own = by === 'proxy' ? house.proxy : house.web
  const rules: Readonly<Record<string, { readonly advice: string }>> = healthCauses
  const advice = rules[wordOf(cause).word]?.advice
  const inHealth = await until(
    `${cause} on /api/health`,
    async () => (await health(house)).find((one) => one.cause === cause && effect.test(one.effect)),
    { everyMs: 200 },
  )
  expect(inHealth.advice).toBe(advice)
  const ready = await until(`${cause} on /readyz`, async () => {
    const found = await readyz(own)
    return found.causes.some((one) => one.cause === cause && effect.test(one.effect)) && found
  })
  expect(ready.status).toMatch(/^(?:degraded|not ready)$/)
  // The hub tells what its proxy does, too: a word may be there twice.
  expect(ready.causes.find((one) => one.cause === cause && effect.test(one.effect))?.advice).toBe(advice)
  expect(await degraded(own)).toContain(cause)
  const said = await doctor(house, env)
  expect(said.map(({ message }) => message).join('\n')).toContain(`${cause}: `)
}

/** Waits until none of these causes is told anywhere any more. */
export const goneEverywhere = async (
  house: RunningHouse,
  causes: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> => {
  const names = causes.join(', ')
  const without = (told: readonly string[]): boolean => !told.some((cause) => causes.includes(cause))
  await until(`${names} to go from /api/health`, async () => without((await health(house)).map(({ cause }) => cause)), {
    everyMs: 200,
    timeoutMs: 60_000,
  })
  for (const url of [house.proxy, house.web]) {
    await until(`${names} to go from /readyz`, async () => without((await readyz(url)).causes.map(({ cause }) => cause)))
    await until(`${names} to go from /metrics`, async () => without(await degraded(url)))
  }
  const said = (await doctor(house, env)).map(({ message }) => message).join('\n')
  for (const cause of causes) expect(said).not.toContain(`${cause}: `)
}
