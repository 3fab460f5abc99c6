// `npm run chaos` and `npm run chaos:matrix`: sets up what they need on a fresh machine, then runs e2e/chaos/.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { kafkaJars, root, run, stop, systemPackage } from './servers.mjs'

const [name = '', ...args] = process.argv.slice(2)
const servers = {}
if (!args.includes('--help')) {
  const isScaled = name === 'chaos' ? args.includes('--scaled') : !args.includes('--embedded')
  if (isScaled) {
    servers.WEIR_TEST_REDIS = systemPackage('redis-server', 'redis-server')
    servers.WEIR_TEST_KAFKA = kafkaJars()
  }
  if (run(process.execPath, ['scripts/build.mjs']) !== 0) stop('The build failed.')
}
const child = spawn(process.execPath, ['--import', 'tsx', join('e2e', 'chaos', `${name}.ts`), ...args], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, ...servers },
})
// Ctrl-C reaches the child as well; it says when it is done.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (signal === 'SIGTERM' ? child.kill(signal) : undefined))
child.once('exit', (code) => process.exit(code ?? 1))
