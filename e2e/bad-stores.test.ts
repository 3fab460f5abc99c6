import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { redisServer, startTestRedis } from '../proxy/state/testing-redis.js'
import { startClickHouse } from './servers/clickhouse/clickhouse.js'
import { freePort, kafkaJars, startKafka } from './servers/kafka/kafka.js'
import { refusal, speakPostgres, startPostgres } from './servers/postgres/postgres.js'
import { providersAt } from './support/house.js'
import { until } from './support/wait.js'

// URLs of stores that lead nowhere, at the real command: what it says, that calls pass, that what is on disk stays as it is, and that
// all is well by itself once the stores are there.

const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
type Variable = 'KAFKA_BROKERS' | 'CLICKHOUSE_URL' | 'REDIS_URL' | 'DATABASE_URL'
type Urls = Readonly<Partial<Record<Variable, string>>>

const listening = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Names and contents of everything in a folder. */
const contentOf = (dir: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (existsSync(dir) ? readdirSync(dir, { recursive: true, withFileTypes: true }) : [])
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]),
  )

describe('URLs of stores that lead nowhere', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-bad-'))
  const data = join(dir, 'data')
  const configFile = join(dir, 'weir.yaml')
  let fake: FakeProvider
  beforeAll(async () => {
    fake = await startFakeProvider()
    writeFileSync(configFile, providersAt(fake.origin, ['openai']))
  })
  afterAll(async () => {
    await fake?.close()
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  })

  /** `weir start`, and what it said so far. It is not waited for: with a store away the hub is not ready. */
  const start = async (env: Readonly<Record<string, string>>, folder = data) => {
    const port = await freePort()
    let said = ''
    const child: ChildProcess = spawn(process.execPath, [weir, 'start', '--json'], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        WEIR_DATA: folder,
        WEIR_CONFIG: configFile,
        WEIR_PROXY_PORT: String(port),
        WEIR_WEB_PORT: '0',
        WEIR_SQL_PORT: '0',
        WEIR_LOG_LEVEL: 'warn',
        ...env,
      },
    })
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const gone = once(child, 'close') as Promise<[number]>
    const proxy = `http://127.0.0.1:${port}`
    const end = async (): Promise<number> => {
      if (child.exitCode === null) child.kill('SIGTERM')
      return (await gone)[0]
    }
    onTestFinished(async () => void (await end()))
    return {
      said: () => said,
      gone,
      end,
      proxy,
      ready: () =>
        until(
          'ready',
          () =>
            said
              .split('\n')
              .map((line) => (line.startsWith('{"proxy"') ? (JSON.parse(line) as { web: string }) : null))
              .find((line) => line !== null),
          {
            timeoutMs: 90_000,
          },
        ),
      call: async (): Promise<string> => {
        const answer = await until(
          'the proxy to serve',
          () =>
            fetch(`${proxy}/openai/v1/chat/completions`, {
              method: 'POST',
              headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
              body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] }),
            }).catch(() => null),
          { timeoutMs: 60_000 },
        )
        expect(answer.status).toBe(200)
        await answer.text()
        return answer.headers.get('weir-id') ?? ''
      },
    }
  }
  type House = Awaited<ReturnType<typeof start>>
  /** What `weir doctor` says of each store: its state, and the sentence. */
  const doctor = async (env: Readonly<Record<string, string>>, folder: string): Promise<Readonly<Record<string, string>>> => {
    const child = spawn(process.execPath, [weir, 'doctor', '--json'], {
      cwd: dir,
      env: {
        PATH: process.env.PATH ?? '',
        WEIR_DATA: folder,
        WEIR_CONFIG: configFile,
        WEIR_PROXY_PORT: '0',
        WEIR_WEB_PORT: '0',
        ...env,
      },
    })
    const { checks } = JSON.parse(await text(child.stdout)) as { checks: { name: string; state: string; message: string }[] }
    const names = ['kafka', 'kafka topic', 'store', 'redis', 'database']
    const found = checks.filter(({ name }) => names.includes(name))
    expect(JSON.stringify(checks)).not.toContain('s3cret')
    return Object.fromEntries(found.map(({ name, state, message }) => [name, `${state}: ${message}`]))
  }
  const stored = async (web: string, ids: readonly string[]): Promise<void> => {
    for (const id of ids)
      await until(`the row of ${id}`, async () => (await fetch(`${web}/api/requests/${id}`)).ok, {
        timeoutMs: 60_000,
        everyMs: 200,
      })
  }
  const save = (web: string, name: string): Promise<Response> =>
    fetch(`${web}/api/views`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: web },
      body: JSON.stringify({ name, page: '/requests', query: 'provider=openai' }),
    })

  test.each([
    ['KAFKA_BROKERS', 'localhost', '"localhost" is not a broker. Accepted: host:port'],
    ['KAFKA_BROKERS', 'kafka://ada:s3cret@broker:9092', 'is not a broker'],
    ['CLICKHOUSE_URL', 'clickhouse://ada:s3cret@db:9000', 'Accepted: http(s)://[user:password@]host:port'],
    ['CLICKHOUSE_URL', 'http://ada:s3cret@db:port', 'Accepted: http(s)://[user:password@]host:port'],
    ['REDIS_URL', 'http://ada:s3cret@127.0.0.1:6379', 'Accepted: redis://'],
    ['DATABASE_URL', 'mysql://ada:s3cret@127.0.0.1/weir', 'Accepted: postgres://'],
  ])('%s=%s ends the start in a sentence, and nothing is made', async (variable, url, sentence) => {
    const folder = join(dir, 'never')
    const house = await start({ [variable]: url }, folder)
    const [code] = await house.gone
    expect(code).toBe(1)
    expect(house.said().trim().split('\n')).toEqual([expect.stringMatching(new RegExp(`^${variable}`))])
    expect(house.said()).toContain(sentence)
    expect(house.said()).not.toContain('s3cret')
    expect(existsSync(folder)).toBe(false)
  })

  const calls: string[] = []
  let before: Readonly<Record<string, string>> = {}
  const embedded = (): Readonly<Record<string, string>> => ({
    ...contentOf(join(data, 'chdb')),
    ...contentOf(join(data, 'control')),
  })

  test('without any: what a house of one machine leaves on its disk', async () => {
    const house = await start({})
    const { web } = await house.ready()
    calls.push(await house.call())
    await stored(web, calls)
    expect((await save(web, 'mine')).status).toBe(200)
    expect(await house.end()).toBe(0)
    before = embedded()
    expect(Object.keys(before).length).toBeGreaterThan(10)
  })

  const page = async (): Promise<number> => await listening(createHttpServer((_req, res) => void res.end('<html>hello</html>')))
  const everywhere = (host: string): Urls => ({
    KAFKA_BROKERS: host,
    CLICKHOUSE_URL: `http://ada:s3cret@${host}/calls`,
    REDIS_URL: `redis://ada:s3cret@${host}`,
    DATABASE_URL: `postgres://ada:s3cret@${host}/weir`,
  })
  /** What each is told as: by the variable, and where it is known with what to do. */
  const told: Readonly<Record<Variable, (host: string, why: string) => RegExp>> = {
    KAFKA_BROKERS: (_host, why) => new RegExp(`Kafka does not take events; they wait in the journal\\. .*KAFKA_BROKERS.*${why}`),
    CLICKHOUSE_URL: (host, why) =>
      new RegExp(
        `The ClickHouse server at http://${host}/calls \\(CLICKHOUSE_URL\\) cannot be used yet\\. .*${why}.*Trying again in \\d+ ms`,
      ),
    REDIS_URL: (host, why) => new RegExp(`The Redis at ${host} \\(REDIS_URL\\) cannot be used: .*${why}`),
    DATABASE_URL: (host, why) =>
      new RegExp(`The Postgres at ${host}/weir \\(DATABASE_URL\\) cannot be used yet: .*calls go on\\. .*${why}.*tried again`),
  }
  const saysOfAll = async (house: House, host: string, whys: Readonly<Partial<Record<Variable, string>>>): Promise<void> => {
    for (const [variable, why] of Object.entries(whys) as [Variable, string][])
      await until(`${variable} is told: ${why}`, () => told[variable](host, why).test(house.said()), {
        timeoutMs: 60_000,
        everyMs: 200,
      }).catch((cause: unknown) => {
        throw new Error(house.said(), { cause })
      })
    expect(house.said()).not.toContain('s3cret')
  }

  test.each([
    ['a port where nobody listens', async () => `127.0.0.1:${await freePort()}`, 'ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'],
    [
      'a host that is not there',
      async () => 'nowhere.invalid:7777',
      '(ENOTFOUND|EAI_AGAIN)',
      '(ENOTFOUND|EAI_AGAIN)',
      '(ENOTFOUND|EAI_AGAIN)',
    ],
    ['a web page', async () => `127.0.0.1:${await page()}`, '', 'no ClickHouse', '(no Redis|is it a Redis)'],
  ])(
    '%s for all four: calls pass, each is told by its name, and what is on disk stays as it is',
    async (_name, place, why, clickHouse, redis) => {
      const host = await place()
      const house = await start(everywhere(host))
      calls.push(await house.call())
      await saysOfAll(house, host, { KAFKA_BROKERS: why, CLICKHOUSE_URL: clickHouse, REDIS_URL: redis, DATABASE_URL: why })
      calls.push(await house.call())
      expect((await (await fetch(`${house.proxy}/readyz`)).json()) as object).toMatchObject({
        status: 'degraded',
        causes: expect.arrayContaining([
          expect.objectContaining({ cause: 'kafka_unreachable' }),
          expect.objectContaining({ cause: 'store_unreachable' }),
        ]) as unknown,
      })
      expect(await house.end()).toBe(0)
      expect(embedded()).toEqual(before)
    },
  )

  test.skipIf(redisServer === null)('TLS where there is none, and a password that is wrong', async () => {
    const redis = await startTestRedis(redisServer ?? '')
    onTestFinished(() => redis.close())
    const plain = await page()
    const tls = await start({
      ...everywhere(`127.0.0.1:${plain}`),
      CLICKHOUSE_URL: `https://ada:s3cret@127.0.0.1:${plain}/calls`,
      REDIS_URL: redis.url.replace('redis:', 'rediss:'),
      DATABASE_URL: `postgres://ada:s3cret@127.0.0.1:${plain}/weir?sslmode=verify-full`,
      WEIR_CONFIG: (() => {
        const file = join(dir, 'tls.yaml')
        writeFileSync(file, `kafka: { ssl: true }\n${providersAt(fake.origin, ['openai'])}`)
        return file
      })(),
    })
    calls.push(await tls.call())
    await until(
      'all are told',
      () =>
        [
          /The Redis at .*\(REDIS_URL\) cannot be used: .*(speaks no TLS|does it speak TLS)/,
          /https:.*\(CLICKHOUSE_URL\).*It speaks no TLS there/,
          /\(DATABASE_URL\) cannot be used/,
          /No TLS with the brokers.*kafka\.ssl|No broker of KAFKA_BROKERS/,
        ].every((sentence) => sentence.test(tls.said())),
      { timeoutMs: 60_000 },
    ).catch((cause: unknown) => {
      throw new Error(tls.said(), { cause })
    })
    expect(await tls.end()).toBe(0)

    const refusing = await listening(
      createHttpServer(
        (_req, res) =>
          void res
            .writeHead(403, { 'x-clickhouse-exception-code': '516' })
            .end(
              'Code: 516. DB::Exception: ada: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED) (version 26.3.1.1)',
            ),
      ),
    )
    const postgres = await listening(
      createServer((socket) =>
        speakPostgres(socket, refusal('28P01', 'password authentication failed for user "ada"'), () =>
          Promise.resolve(Buffer.alloc(0)),
        ),
      ),
    )
    const house = await start({
      CLICKHOUSE_URL: `http://ada:s3cret@127.0.0.1:${refusing}/calls`,
      REDIS_URL: `redis://ada:s3cret@127.0.0.1:${redis.port}`,
      DATABASE_URL: `postgres://ada:s3cret@127.0.0.1:${postgres}/weir`,
    })
    calls.push(await house.call())
    await saysOfAll(house, `127.0.0.1:${refusing}`, { CLICKHOUSE_URL: 'It refuses the user or the password in CLICKHOUSE_URL' })
    await saysOfAll(house, `127.0.0.1:${redis.port}`, { REDIS_URL: 'it refuses the user or the password' })
    await saysOfAll(house, `127.0.0.1:${postgres}`, { DATABASE_URL: 'It refuses the user or the password' })
    expect(await house.end()).toBe(0)
    expect(embedded()).toEqual(before)
  })

  test('without any again: every call of these times is stored, what was saved is there', async () => {
    const house = await start({})
    const { web } = await house.ready()
    await stored(web, calls)
    const { views } = (await (await fetch(`${web}/api/views`)).json()) as { views: { name: string }[] }
    expect(views.map(({ name }) => name)).toEqual(['mine'])
    expect(await house.end()).toBe(0)
  })

  test.skipIf(kafkaJars === null || redisServer === null)(
    'all four away at the start, then there, one after the other: all is well by itself',
    async () => {
      const folder = join(dir, 'four')
      const [redis, clickHouse, kafka, postgresPort] = await Promise.all([
        startTestRedis(redisServer ?? ''),
        startClickHouse(join(dir, 'clickhouse')),
        startKafka({ dir: join(dir, 'kafka') }),
        freePort(),
      ])
      onTestFinished(async () => {
        await Promise.all([redis.close(), clickHouse.stop(), kafka.stop()])
      })
      const [broker] = kafka.nodes
      await Promise.all([redis.kill(), clickHouse.kill(), broker?.kill()])
      const urls = {
        KAFKA_BROKERS: kafka.brokers,
        CLICKHOUSE_URL: clickHouse.url,
        REDIS_URL: redis.url,
        DATABASE_URL: `postgres://ada:s3cret@127.0.0.1:${postgresPort}/weir`,
      }
      const house = await start(urls, folder)
      const made = [await house.call()]
      for (const variable of ['KAFKA_BROKERS', 'CLICKHOUSE_URL', 'REDIS_URL', 'DATABASE_URL'])
        await until(`${variable} is told`, () => house.said().includes(variable), { timeoutMs: 60_000 })
      expect(await doctor(urls, folder)).toEqual({
        kafka: `fail: ${kafka.brokers}: nobody answers; calls wait in the journal`,
        store: expect.stringMatching(/^fail: The ClickHouse server at http:\/\/\S+ cannot be used\. .*ECONNREFUSED/),
        redis: expect.stringMatching(/^fail: redis:\/\/\S+ cannot be reached \(ECONNREFUSED\)$/),
        database: expect.stringMatching(/^fail: The Postgres at \S+\/weir cannot be used\. It does not answer \(.*ECONNREFUSED/),
      })
      await clickHouse.start()
      const { web } = await house.ready()
      await redis.startAgain()
      const postgres = await startPostgres(postgresPort)
      onTestFinished(() => postgres.stop())
      await broker?.start()
      made.push(await house.call())
      await stored(web, made)
      await until(
        'all is well',
        async () => ((await (await fetch(`${house.proxy}/readyz`)).json()) as { status: string }).status === 'ready',
        {
          timeoutMs: 60_000,
        },
      )
      await until('a view is saved', async () => (await save(web, 'theirs')).status === 200, { timeoutMs: 30_000, everyMs: 500 })
      expect(await doctor(urls, folder)).toEqual({
        kafka: `ok: ${kafka.brokers} answers`,
        // One broker: what the topic lacks is told.
        'kafka topic': expect.stringMatching(/^warn: weir\.exchanges\.v1 is kept by 1 broker/),
        store: expect.stringMatching(/^ok: ClickHouse \d+\.\d+\S* at http:\/\/\S+, schema up to date$/),
        redis: expect.stringMatching(/^warn: Redis \S+ at redis:\/\/\S+, .*it has no maxmemory$/),
        database: expect.stringMatching(/^ok: Postgres \d+\S* at \S+\/weir$/),
      })
      expect(existsSync(join(folder, 'chdb'))).toBe(false)
      expect(existsSync(join(folder, 'control'))).toBe(false)
      expect(await house.end()).toBe(0)
    },
    180_000,
  )
})
