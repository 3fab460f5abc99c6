import { spawnSync } from 'node:child_process'

/** `null` = promtool is not there, and what needs it is skipped; in CI that is a failure. */
export const promtool: string | null = process.env.WEIR_TEST_PROMTOOL ?? null
if (promtool === null && process.env.CI) throw new Error('WEIR_TEST_PROMTOOL must name promtool in CI; npm test sees to it.')

/** What `promtool check metrics` finds in an answer of /metrics, line by line. */
export const lint = (text: string): string[] => {
  const { status, stdout, stderr, error } = spawnSync(promtool ?? 'promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  })
  if (error !== undefined) throw error
  const found = `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
  return status === 0 || found.length > 0 ? found : [`promtool ended with ${status ?? 'a signal'}`]
}
