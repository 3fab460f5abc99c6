import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DCLinter } from 'dclint'
import { DockerfileParser } from 'dockerfile-ast'
import { validate } from 'dockerfile-utils'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../core/config.js'
import { eventsTopic } from '../journal/kafka/topics.js'
import { readCompose, variablesIn } from './support/compose-file.js'

const root = new URL('../', import.meta.url)
const at = (path: string): URL => new URL(path, root)
const read = (path: string): string => readFileSync(at(path), 'utf8')
const main = fileURLToPath(at('dist/cli/main.js'))
const run = promisify(execFile)

const composePath = at('docker-compose.yml')
const { all, required } = variablesIn(composePath)
const secrets = Object.fromEntries(required.map((name, i) => [name, String(i).repeat(64)]))
const compose = readCompose(composePath, {
  ...secrets,
  WEIR_LOG_LEVEL: 'warn',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://jaeger:4318',
  OTEL_EXPORTER_OTLP_HEADERS: 'x-team=search',
})
const services = Object.entries(compose.services)
const ours = services.filter(([, { build }]) => build !== undefined)
const stores = services.filter(([, { build, profiles }]) => build === undefined && profiles === undefined)

const dockerfile = DockerfileParser.parse(read('Dockerfile'))
const instructions = dockerfile.getInstructions()
const last = (keyword: string): string => {
  const found = instructions.findLast((instruction) => instruction.getKeyword() === keyword)
  return found?.getArgumentsContent() ?? ''
}

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'weir-compose-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** Weir's own configuration in a service: its variables, and the file that is mounted. */
const configOf = (environment: Readonly<Record<string, string>>): ReturnType<typeof loadConfig> =>
  loadConfig({ ...environment, WEIR_CONFIG: fileURLToPath(at('deploy/weir/weir.yaml')) }, '/')

/** Of a file; the package's own types lead nowhere. */
interface Linted {
  readonly messages: readonly { readonly line: number; readonly message: string }[]
}

const secondsOf = (text: string | undefined): number => {
  const [, number = '', unit = ''] = /^(\d+)(s|m)$/.exec(text ?? '') ?? []
  return Number(number) * (unit === 'm' ? 60 : 1)
}
/** `a.b.c` at least `floor`, number by number. */
const reaches = (version: string, floor: string): boolean => {
  const [have, want] = [version, floor].map((text) => text.split('.').map(Number)) as [number[], number[]]
  const differs = want.findIndex((number, i) => number !== have[i])
  return differs === -1 || (have[differs] ?? 0) > (want[differs] ?? 0)
}

describe('docker-compose.yml', () => {
  const faultsOf = (path: string): string[] =>
    new DCLinter({
      rules: {
        'no-quotes-in-volumes': 0,
        // The interface is a variable.
        'no-unbound-port-interfaces': 0,
        'service-dependencies-alphabetical-order': 0,
        'service-keys-order': 0,
        'services-alphabetical-order': 0,
        'top-level-properties-order': 0,
      },
      quiet: false,
      debug: false,
      exclude: [],
    })
      .lintFiles([path], false)
      .flatMap((result: Linted) => result.messages.map(({ line, message }) => `${line}: ${message}`))

  test('fits the schema of the Compose specification', () => {
    expect(faultsOf(fileURLToPath(composePath))).toEqual([])
    const wrong = join(folder(), 'docker-compose.yml')
    writeFileSync(wrong, read('docker-compose.yml').replace('stop_grace_period: 20s', 'stop_grace_time: 20s'))
    expect(faultsOf(wrong)).toHaveLength(1)
  })

  test('refuses to start without a secret, by its name; deploy/env.example lists them all', () => {
    expect(required).toContain('WEIR_ADMIN_SECRET')
    for (const name of required)
      expect(() => readCompose(composePath, { ...secrets, [name]: '' })).toThrow(`required variable ${name} is missing a value`)
    const listed = [...read('deploy/env.example').matchAll(/^([A-Z_]+)=/gm)].map(([, name = '']) => name)
    expect(listed.sort()).toEqual([...all].sort())
    // No other variable stands in for a secret.
    expect(all.filter((name) => /SECRET|PASSWORD/.test(name))).toEqual(required)
  })

  test.each(services)('%s: pinned, not root, read-only, bounded', (name, service) => {
    expect(service.image).toMatch(/^[a-z0-9/-]+:\d+\.\d+(\.\d+)*(-[a-z]+)?$/)
    expect(service.user).toMatch(/^(?!root|0)[a-z0-9]+(:\d+)?$/)
    expect(service).toMatchObject({ init: true, read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
    expect(service.hostname).toBe(name)
    expect(Number(service.deploy?.resources.limits.cpus)).toBeGreaterThan(0)
    expect(service.deploy?.resources.limits.memory).toMatch(/^\d+[mg]$/)
    expect(secondsOf(service.stop_grace_period)).toBeGreaterThanOrEqual(10)
    for (const mount of service.volumes ?? []) {
      const [source = '', , mode] = mount.split(':')
      if (source.startsWith('.')) expect([existsSync(at(source)), mode], mount).toEqual([true, 'ro'])
      else expect(Object.keys(compose.volumes)).toContain(source)
    }
    for (const network of service.networks ?? []) expect(Object.keys(compose.networks)).toContain(network)
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(condition).toBe('service_healthy')
      expect(compose.services[other]?.healthcheck?.test, other).toBeDefined()
    }
  })

  test('everything has a health check but the collector, whose image holds nothing to ask with', () => {
    const without = services.filter(([, { healthcheck }]) => healthcheck?.test === undefined)
    expect(without.map(([name, { healthcheck }]) => [name, healthcheck])).toEqual([['collector', { disable: true }]])
  })

  test('ClickHouse is patched; every named volume is used by one service alone', () => {
    expect(reaches(compose.services.clickhouse?.image.split(':')[1] ?? '', '26.3.62.3')).toBe(true)
    const used = services.flatMap(([, { volumes = [] }]) => volumes.map((mount) => mount.split(':')[0] ?? ''))
    for (const volume of Object.keys(compose.volumes)) expect(used.filter((source) => source === volume)).toEqual([volume])
  })

  test('only proxies, web and the trace viewer are published, to this machine; stores are on a network without a way out', () => {
    const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`))
    expect(published).toEqual([
      'proxy 127.0.0.1:8787:8787',
      'proxy-2 127.0.0.1:8789:8787',
      'web 127.0.0.1:8788:8788',
      'jaeger 127.0.0.1:16686:16686',
    ])
    expect(compose.networks.stores).toEqual({ internal: true })
    for (const [name, { networks }] of stores) expect(networks, name).toEqual(['stores'])
  })
})

describe.each(ours)('%s', (name, service) => {
  const environment = service.environment ?? {}
  const [command = ''] = service.command ?? []

  test('runs a command that exists, in the image of this version', async () => {
    expect(service.command).toHaveLength(1)
    expect(command).toBe(name.replace(/-\d+$/, ''))
    const { stdout } = await run(process.execPath, [main, command, '--help'])
    expect(stdout).toContain(`usage: weir ${command}`)
    const { version } = JSON.parse(read('package.json')) as { version: string }
    expect(service.image).toBe(`weir:${version}`)
  })

  test('is given variables that are read, and no others', () => {
    const asked = new Set<string>()
    const watched = new Proxy(environment, {
      get(target, key) {
        asked.add(String(key))
        return key === 'WEIR_CONFIG' ? undefined : Reflect.get(target, key)
      },
    })
    loadConfig(watched, '/')
    expect(Object.keys(environment).filter((key) => !asked.has(key))).toEqual([])
  })

  test('its configuration is in order, and what it names is there', async () => {
    const config = configOf(environment)
    expect(config).toMatchObject({ host: '0.0.0.0', auth: 'required', proxyPort: 8787, webPort: 8788 })
    const volumes = (service.volumes ?? []).map((mount) => mount.split(':'))
    expect(volumes).toContainEqual([`${name}-data`, config.dataDir])
    expect(volumes).toContainEqual(['./deploy/weir', '/etc/weir', 'ro'])
    expect(environment.WEIR_CONFIG).toBe('/etc/weir/weir.yaml')
    const file = fileURLToPath(at('deploy/weir/weir.yaml'))
    const { stdout } = await run(process.execPath, [main, 'config', '--check'], { env: { ...environment, WEIR_CONFIG: file } })
    expect(stdout).toBe(`${file} is in order.\n`)
  })

  test('asks for its health where it answers', () => {
    const { proxyPort, webPort, ingestPort } = configOf(environment)
    const port = { web: webPort, ingest: ingestPort }[command] ?? proxyPort
    const address = `http://127.0.0.1:${port}/readyz`
    expect(service.healthcheck?.test).toEqual(['CMD', 'node', '/app/healthcheck.mjs', address])
    for (const published of service.ports ?? []) expect(published.split(':').at(-1)).toBe(String(port))
  })

  test('has longer to end than it takes', () => {
    const { drain } = configOf(environment)
    // cli/role.ts: what hangs after draining is given up after 10 s; ingest reads out for 10 s.
    const needed = { proxy: (drain.delay + drain.timeout) / 1000 + 15, ingest: 20, web: 10 }[command] ?? Infinity
    expect(secondsOf(service.stop_grace_period)).toBeGreaterThan(needed)
  })

  test('reaches the stores its role needs, with what they let in', () => {
    const config = configOf(environment)
    const { kafka, clickhouse, redis, postgres } = compose.services
    const given = {
      kafka: config.kafkaBrokers,
      clickhouse: config.clickhouseUrl,
      redis: config.redisUrl,
      control: config.databaseUrl,
    }
    const wanted = { proxy: ['kafka', 'redis'], ingest: ['kafka', 'clickhouse'], web: ['clickhouse', 'control'] }[command]
    expect(
      Object.entries(given)
        .flatMap(([store, url]) => (url === null ? [] : [store]))
        .sort(),
    ).toEqual([...(wanted ?? [])].sort())
    if (config.kafkaBrokers !== null) {
      expect(config.kafkaBrokers).toEqual(['kafka:9092'])
      expect(kafka?.environment?.KAFKA_ADVERTISED_LISTENERS).toBe('CLIENT://kafka:9092')
    }
    if (config.clickhouseUrl !== null) {
      const password = clickhouse?.environment?.WEIR_CLICKHOUSE_PASSWORD ?? ''
      expect(config.clickhouseUrl).toBe(`http://weir:${password}@clickhouse:8123/weir`)
    }
    if (config.redisUrl !== null) {
      const [flag, password = ''] = redis?.command?.slice(-2) ?? []
      expect(flag).toBe('--requirepass')
      expect(config.redisUrl).toBe(`redis://:${password}@redis:6379`)
      expect(redis?.environment?.REDISCLI_AUTH).toBe(password)
    }
    if (config.databaseUrl !== null) {
      const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = postgres?.environment ?? {}
      expect(config.databaseUrl).toBe(`postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@postgres:5432/${POSTGRES_DB}`)
    }
  })
})

describe('the roles among themselves', () => {
  const web = compose.services.web
  const webConfig = configOf(web?.environment ?? {})
  /** A role is found by its service name and port, on a network both are on, and lets in who has the secret. */
  const reaches = (url: string, role: string, port: number): void => {
    const { hostname, port: asked } = new URL(url)
    const service = compose.services[hostname]
    expect([service?.command, Number(asked)]).toEqual([[role], port])
    expect(service?.networks?.some((network) => web?.networks?.includes(network))).toBe(true)
    expect(service?.environment?.WEIR_ADMIN_SECRET).toBe(web?.environment?.WEIR_ADMIN_SECRET)
    expect(configOf(service?.environment ?? {}).host).toBe('0.0.0.0')
  }

  test('web knows every proxy and ingest, also the second proxy where .env says so, as deploy/env.example tells', () => {
    const both = 'http://proxy:8787,http://proxy-2:8787'
    const more = readCompose(composePath, { ...secrets, WEIR_PROXIES_URLS: both }).services.web?.environment ?? {}
    expect(webConfig.proxiesUrls).toEqual(['http://proxy:8787'])
    expect(configOf(more).proxiesUrls).toEqual(both.split(','))
    for (const url of configOf(more).proxiesUrls)
      reaches(url, 'proxy', configOf(compose.services.proxy?.environment ?? {}).proxyPort)
    reaches(webConfig.ingestUrl ?? '', 'ingest', configOf(compose.services.ingest?.environment ?? {}).ingestPort)
    const [, example] = /^WEIR_PROXIES_URLS=(.*)$/m.exec(read('deploy/env.example')) ?? []
    expect(example).toBe('http://proxy:8787')
    for (const text of [read('deploy/env.example'), read('docs/deploy.md')]) expect(text).toContain(',http://proxy-2:8787')
  })

  test('without the word that the network is private web would not send the secret over it', () => {
    expect(() => configOf({ ...web?.environment, WEIR_CHANNEL_HTTP: '' })).toThrow(
      'WEIR_PROXIES_URLS: the admin secret would go to',
    )
    for (const [name, service] of ours) if (name !== 'web') expect(service.environment?.WEIR_CHANNEL_HTTP).toBeUndefined()
  })
})

describe('what the stores are given', () => {
  test('ClickHouse: the user Weir comes as, its password from the environment, its database made at the first start', () => {
    const users = read('deploy/clickhouse/users.xml')
    expect(users).toContain('<default remove="remove"/>')
    expect(users).toMatch(/<weir>\s*<password from_env="WEIR_CLICKHOUSE_PASSWORD"\/>/)
    expect(users).toMatch(/<operator>\s*<password from_env="CLICKHOUSE_PASSWORD"\/>/)
    expect(compose.services.clickhouse?.environment).toMatchObject({
      CLICKHOUSE_USER: 'operator',
      CLICKHOUSE_SKIP_USER_SETUP: '1',
    })
    expect(read('clickhouse/server/users.sql')).toContain('CREATE DATABASE IF NOT EXISTS weir')
  })

  test('ClickHouse: its engine reads those users, and gives Weir its own database and no source', async () => {
    const dir = folder()
    mkdirSync(join(dir, 'users.d'))
    writeFileSync(join(dir, 'users.d', 'weir.xml'), read('deploy/clickhouse/users.xml').replace('<default remove="remove"/>', ''))
    const user = '<password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>'
    const access = '<access_management>1</access_management>'
    const users = `<profiles><default/></profiles><quotas><default/></quotas><users><default>${user}${access}</default></users>`
    writeFileSync(join(dir, 'users.xml'), `<clickhouse>${users}</clickhouse>`)
    writeFileSync(join(dir, 'config.xml'), `<clickhouse><users_config>${join(dir, 'users.xml')}</users_config></clickhouse>`)
    const script = `
      const { Session } = require('chdb')
      const session = new Session(process.argv[1] + '/data', { connectionArgs: ['--config-file=' + process.argv[1] + '/config.xml'] })
      process.stdout.write(String(session.query('SHOW GRANTS FOR weir', 'TSVRaw')), () => process.exit(0))`
    const { stdout } = await run(process.execPath, ['-e', script, dir], {
      cwd: fileURLToPath(root),
      env: { PATH: process.env.PATH ?? '', CLICKHOUSE_PASSWORD: 'a', WEIR_CLICKHOUSE_PASSWORD: 'b' },
    })
    expect(stdout.trim().split('\n').sort()).toEqual([
      'GRANT SELECT ON system.mutations TO weir',
      'GRANT SELECT ON system.parts TO weir',
      'GRANT SHOW, SELECT, INSERT, ALTER, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE ON weir.* TO weir',
    ])
  })

  test('Redis lets go of what has a time to live when it is full', () => {
    const text = compose.services.redis?.command?.join(' ')
    expect(text).toContain('--maxmemory 384mb --maxmemory-policy volatile-lru')
  })

  const jars = process.env.WEIR_TEST_KAFKA
  test.skipIf(jars === undefined)('Kafka: what the image makes of its variables is a configuration a broker takes', async () => {
    const dir = folder()
    const env: Record<string, string> = { ...compose.services.kafka?.environment, KAFKA_LOG_DIRS: join(dir, 'data') }
    const setup = ['setup', '--default-configs-dir', dir, '--mounted-configs-dir', dir, '--final-configs-dir', dir]
    const { stdout } = await run('java', ['-cp', `${jars}/*`, 'kafka.docker.KafkaDockerWrapper', ...setup], {
      env: { PATH: process.env.PATH ?? '', ...env },
    })
    expect(stdout).toContain('Formatting metadata directory')
    const properties = readFileSync(join(dir, 'server.properties'), 'utf8')
    expect(properties).toContain('advertised.listeners=CLIENT://kafka:9092')
    expect(properties).toContain('auto.create.topics.enable=false')
    expect(readFileSync(join(dir, 'data', 'meta.properties'), 'utf8')).toContain(`cluster.id=${env.CLUSTER_ID}`)
    // Weir's topics take the default: one broker, one copy.
    expect(properties).toContain('default.replication.factor=1')
    expect(eventsTopic('t').partitions).toBe(12)
  })

  test('the collector takes what Weir sends; ingest sends where it is told', () => {
    expect(configOf(compose.services.ingest?.environment ?? {}).exports).toMatchObject([
      { name: 'otel', endpoint: 'http://jaeger:4318/v1/traces', headers: { 'x-team': 'search' } },
    ])
    const { receivers } = parse(read('deploy/otel-collector.yaml')) as { receivers: { otlp: { protocols: { http: object } } } }
    expect(receivers.otlp.protocols.http).toEqual({ endpoint: '0.0.0.0:4318' })
  })
})

describe('Dockerfile', () => {
  test('is well formed', () => {
    expect(validate(read('Dockerfile'))).toEqual([])
    expect(validate(read('Dockerfile').replace('USER', 'USR'))).not.toEqual([])
  })

  test('begins with one pinned image of Node 24, and ends with nothing but what was put together', () => {
    const from = dockerfile.getFROMs().map((stage) => stage.getImage() ?? '')
    expect(from).toHaveLength(4)
    expect(from.slice(2)).toEqual(['packages', 'scratch'])
    expect(from[0]).toBe(from[1])
    const [, version = ''] = /^node:(24\.\d+\.\d+)-trixie-slim$/.exec(from[0] ?? '') ?? []
    expect(reaches(version, '24.22.1')).toBe(true)
  })

  test('runs programs, no shell, and no install script; none of the packages it keeps needs one', () => {
    const steps = instructions
      .filter((instruction) => instruction.getKeyword() === 'RUN')
      .map((step) => step.getArgumentsContent())
    for (const step of steps) {
      const [program, ...args] = JSON.parse(step ?? '') as string[]
      expect(['npm', 'node']).toContain(program)
      if (program === 'npm') expect(args).toEqual(expect.arrayContaining(['ci', '--ignore-scripts']))
    }
    const { allowScripts } = JSON.parse(read('package.json')) as { allowScripts: Record<string, boolean> }
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { hasInstallScript?: boolean; dev?: boolean }>
    }
    const scripted = Object.entries(packages).flatMap(([path, { hasInstallScript, dev }]) =>
      hasInstallScript === true && dev !== true ? [path.replace(/^.*node_modules\//, '')] : [],
    )
    expect(scripted).toContain('chdb')
    for (const name of scripted) expect(allowScripts[name], name).toBe(false)
  })

  test('starts Weir as nobody in particular, with its data in a volume, and says where it listens', () => {
    expect(last('USER')).toBe(ours[0]?.[1].user)
    expect(JSON.parse(last('ENTRYPOINT'))).toEqual(['node', '/app/dist/cli/main.js'])
    expect(JSON.parse(last('CMD'))).toEqual(['start'])
    const env = Object.fromEntries(
      last('ENV')
        .split(' ')
        .map((pair) => pair.split('=')),
    ) as Record<string, string>
    // Started as it is, it says what is missing; with the secret it is reachable.
    expect(() => loadConfig(env, '/nowhere')).toThrow('WEIR_ADMIN_SECRET')
    const config = loadConfig({ ...env, WEIR_ADMIN_SECRET: 'x'.repeat(64) }, '/nowhere')
    expect(config.host).toBe('0.0.0.0')
    expect([last('VOLUME'), last('WORKDIR')]).toEqual([config.dataDir, config.dataDir])
    expect(last('EXPOSE')).toBe([config.proxyPort, config.webPort, config.sqlPort].join(' '))
    expect(last('HEALTHCHECK')).toContain(`CMD ["node", "/app/healthcheck.mjs", "http://127.0.0.1:${config.proxyPort}/readyz"]`)
  })

  test('what it copies is let through by .dockerignore; data and secrets are not', () => {
    const lines = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines[0]).toBe('*')
    const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    const through = (path: string): boolean =>
      allowed.some((entry) => path === entry || (entry.endsWith('/') && path.startsWith(entry)))
    const copied = dockerfile
      .getCOPYs()
      .filter((copy) => copy.getFromFlag() === null)
      .flatMap((copy) => copy.getArguments().slice(0, -1))
      .map((argument) => argument.getValue())
      .filter((path) => path !== '.')
    expect(copied).toContain('package-lock.json')
    for (const path of copied)
      expect([path, existsSync(at(path)), through(path) || through(`${path}x`)]).toEqual([path, true, true])
    for (const path of ['.env', '.weir/journal', '.git/config', 'deploy/weir/secrets.env', 'node_modules/x', 'weir.yaml'])
      expect(through(path), path).toBe(false)
    // All that scripts/build.mjs builds for running.
    const built = /const folders = \[([^\]]*)\]/.exec(read('scripts/build.mjs'))?.[1] ?? ''
    const folders = [...built.matchAll(/'([^']+)'/g)].map(([, name = '']) => name)
    expect(folders.filter((name) => !through(`${name}/x`))).toEqual(['bench', 'e2e'])
  })
})

describe('the health check', () => {
  const check = fileURLToPath(at('deploy/healthcheck.mjs'))
  const healthOf = (address: string): Promise<number> =>
    new Promise((resolve) => execFile(process.execPath, [check, address], (failure) => resolve(Number(failure?.code ?? 0))))

  test.each(['proxy', 'web'])('of %s: well when it runs, not well on a path it has not, or when it is gone', async (role) => {
    const dir = folder()
    const child = spawn(process.execPath, [main, role], {
      cwd: dir,
      env: { PATH: process.env.PATH ?? '', WEIR_DATA: join(dir, 'data'), WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = once(child, 'exit')
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await ended
    })
    let said = ''
    const port = await new Promise<number>((resolve, reject) => {
      child.once('exit', () => reject(new Error(said)))
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        const [, found] = new RegExp(`"${role}":(\\d+)`).exec(said) ?? []
        if (found !== undefined) resolve(Number(found))
      })
    })
    const address = `http://127.0.0.1:${port}/readyz`
    expect(await healthOf(address)).toBe(0)
    expect(await healthOf(`http://127.0.0.1:${port}/no-such-page/at-all`)).toBe(1)
    child.kill('SIGTERM')
    await ended
    expect(await healthOf(address)).toBe(1)
  })
})
