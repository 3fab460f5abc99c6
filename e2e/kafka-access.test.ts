import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider, type FakeProvider } from '../cli/fake-provider/server.js'
import { loadConfig } from '../core/config.js'
import { kafkaAccess } from '../journal/kafka/access.js'
import { kafkaClient } from '../journal/kafka/client.js'
import { openKafkaSource } from '../journal/kafka/kafka-source.js'
import { kafkajsLink } from '../journal/kafka/kafkajs-link.js'
import { whyOf } from '../journal/kafka/why.js'
import { makeCertificates } from './fault-grid/certificates.js'
import { freePort, kafkaJars, startKafka, type Kafka } from './servers/kafka/kafka.js'
import { openHouse, providersAt } from './support/house.js'
import { goneEverywhere, toldEverywhere } from './support/told-causes.js'
import { until } from './support/wait.js'

// Brokers that ask who we are, or speak TLS; brokers that refuse us, or are not there (spec of weir.yaml: kafka.ssl, kafka.sasl).

const weir = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const plain =
  'org.apache.kafka.common.security.plain.PlainLoginModule required username="weir" password="right" user_weir="right" user_proxy="right" user_ingest="right";'
const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'

interface Check {
  readonly name: string
  readonly state: string
  readonly message: string
}

describe.skipIf(kafkaJars === null)('brokers that ask for a password or speak TLS (WEIR_TEST_KAFKA is set)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
  const store = join(dir, 'broker.p12')
  const ca = join(dir, 'broker.pem')
  let kafka: Kafka
  let fake: FakeProvider
  const clients = join(dir, 'clients')
  let sasl = 0
  let tls = 0
  let mutual = 0
  beforeAll(async () => {
    const keytool = (...args: readonly string[]): Buffer =>
      execFileSync('keytool', [...args, '-storepass', 'storepass', '-keystore', store], { stdio: ['ignore', 'pipe', 'ignore'] })
    keytool(
      '-genkeypair',
      '-alias',
      'broker',
      '-keyalg',
      'RSA',
      '-validity',
      '2',
      '-dname',
      'CN=weir-test',
      '-ext',
      'SAN=ip:127.0.0.1',
      '-storetype',
      'PKCS12',
    )
    writeFileSync(ca, keytool('-exportcert', '-alias', 'broker', '-rfc'))
    mkdirSync(clients)
    const { authorityFile } = makeCertificates(clients)
    ;[sasl, tls, mutual] = [await freePort(), await freePort(), await freePort()]
    kafka = await startKafka({
      dir,
      format: [
        '--add-scram',
        'SCRAM-SHA-256=[name=weir,password=right]',
        '--add-scram',
        'SCRAM-SHA-512=[name=weir,password=right]',
      ],
      extra: ({ broker, controller }) => `
listeners=PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller},SASL://127.0.0.1:${sasl},TLS://127.0.0.1:${tls},MUTUAL://127.0.0.1:${mutual}
advertised.listeners=PLAINTEXT://127.0.0.1:${broker},SASL://127.0.0.1:${sasl},TLS://127.0.0.1:${tls},MUTUAL://127.0.0.1:${mutual}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL,MUTUAL:SSL
inter.broker.listener.name=PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:weir;User:CN=good
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
${['sasl', 'tls'].flatMap((listener) => [`listener.name.${listener}.plain.sasl.jaas.config=${plain}`, ...[256, 512].map((bits) => `listener.name.${listener}.scram-sha-${bits}.sasl.jaas.config=${scram}`)]).join('\n')}
ssl.keystore.location=${store}
ssl.keystore.password=storepass
ssl.keystore.type=PKCS12
listener.name.mutual.ssl.client.auth=required
listener.name.mutual.ssl.truststore.type=PEM
listener.name.mutual.ssl.truststore.location=${authorityFile}
`,
    })
    fake = await startFakeProvider()
  }, 120_000)
  afterAll(async () => {
    await fake?.close()
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  /** As weir.yaml has it, `kafka` given as JSON, through the schema and the files it names. */
  const linkOf = (port: number, settings: object) => {
    const file = join(mkdtempSync(join(dir, 'yaml-')), 'weir.yaml')
    writeFileSync(file, JSON.stringify({ kafka: settings }))
    const access = kafkaAccess(
      loadConfig({ WEIR_CONFIG: file, KAFKA_BROKERS: `127.0.0.1:${port}`, KAFKA_PASSWORD: 'right' }, dir),
      'test',
    )
    if (access === null) throw new Error('There are brokers.')
    const link = kafkajsLink({ access, complain: () => undefined })
    onTestFinished(() => link.close())
    return link
  }
  const user = (mechanism: string, password = '${KAFKA_PASSWORD}') => ({ mechanism, username: 'weir', password })
  const roundTrip = async (port: number, settings: object, topic: string): Promise<string | undefined> => {
    const link = linkOf(port, settings)
    await link.ensure([{ topic, partitions: 1, retentionMs: 3_600_000 }])
    const producer = await link.producer()
    await producer.send(topic, 0, [{ key: 'k', value: Buffer.from('hello'), headers: {} }])
    await producer.close()
    const member = link.join(topic, topic)
    return await until('the message', () => member.read(0, 0, 1, 1e6)[0]?.value.toString(), { timeoutMs: 60_000 })
  }

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'])('%s: there and back', async (mechanism) => {
    expect(await roundTrip(sasl, { sasl: user(mechanism) }, `by-${mechanism}`)).toBe('hello')
  })

  test('TLS with a certificate of its own, and a password: there and back', async () => {
    expect(await roundTrip(tls, { ssl: { ca }, sasl: user('scram-sha-256') }, 'by-tls')).toBe('hello')
  })

  test('TLS with a certificate of ours in the place of a password: there and back', async () => {
    const ssl = { ca, cert: join(clients, 'good.pem'), certKey: join(clients, 'good.key') }
    expect(await roundTrip(mutual, { ssl }, 'by-certificate')).toBe('hello')
  })

  test.each([
    [
      'no certificate of ours where one is asked for',
      () => mutual,
      { ssl: { ca } },
      /^The brokers do not take our certificate, or ask for one \(.*\)\. kafka\.ssl\.cert/,
    ],
    [
      'a certificate of ours that the brokers do not trust',
      () => mutual,
      { ssl: { ca, cert: join(clients, 'self-signed.pem'), certKey: join(clients, 'self-signed.key') } },
      /^The brokers do not take our certificate, or ask for one/,
    ],
    [
      'a wrong password',
      () => sasl,
      { sasl: user('scram-sha-256', 'wr0ng') },
      /^The brokers refuse the user of kafka\.sasl in weir\.yaml/,
    ],
    [
      'a wrong password, plain',
      () => sasl,
      { sasl: user('plain', 'wr0ng') },
      /^The brokers refuse the user of kafka\.sasl in weir\.yaml/,
    ],
    ['a certificate nobody trusts', () => tls, { ssl: true, sasl: user('plain') }, /^No TLS with the brokers: .*certificate/],
    [
      'TLS where there is none',
      () => sasl,
      { ssl: true, sasl: user('plain') },
      /^No (TLS with the brokers|broker of KAFKA_BROKERS answers)/,
    ],
    ['nobody there', () => 1, {}, /^No broker of KAFKA_BROKERS answers \(.*ECONNREFUSED 127\.0\.0\.1:1/],
  ])(
    '%s: one sentence',
    async (_name, port, settings, sentence) => {
      const told = await linkOf(port(), settings)
        .ensure([{ topic: 'never', partitions: 1, retentionMs: 3_600_000 }])
        .then(() => 'no error', whyOf)
      expect(told).toMatch(sentence)
      expect(told).not.toContain('wr0ng')
    },
    60_000,
  )

  test('with the rights docs/kafka.md names, and no others: a proxy ships, ingest reads, commits and sets aside', async () => {
    const admin = kafkaClient(
      { brokers: kafka.brokers.split(','), ssl: false, sasl: null, clientId: 'weir-test' },
      () => undefined,
    ).admin()
    await admin.connect()
    onTestFinished(() => admin.disconnect())
    const [topic, dead] = ['rights', 'rights.dlq']
    await admin.createTopics({ waitForLeaders: false, topics: [topic, dead].map((name) => ({ topic: name, numPartitions: 1 })) })
    const { AclOperationTypes: may, AclResourceTypes: kinds } = kafkajs
    const granted: readonly (readonly [user: string, kind: number, name: string, operation: number])[] = [
      ['proxy', kinds.TOPIC, topic, may.WRITE],
      ['ingest', kinds.TOPIC, topic, may.READ],
      ['ingest', kinds.TOPIC, dead, may.WRITE],
      ['ingest', kinds.GROUP, 'weir.', may.READ],
    ]
    await admin.createAcls({
      acl: granted.map(([user, resourceType, resourceName, operation]) => ({
        principal: `User:${user}`,
        host: '*',
        resourceType,
        resourceName,
        operation,
        permissionType: kafkajs.AclPermissionTypes.ALLOW,
        resourcePatternType:
          resourceType === kinds.GROUP ? kafkajs.ResourcePatternTypes.PREFIXED : kafkajs.ResourcePatternTypes.LITERAL,
      })),
    })
    const as = (username: string) => linkOf(sasl, { sasl: { mechanism: 'plain', username, password: '${KAFKA_PASSWORD}' } })
    const proxy = as('proxy')
    // Its settings it may not see.
    expect(await proxy.ensure([{ topic, partitions: 12, retentionMs: 1 }])).toMatchObject([{ partitions: 1, retentionMs: null }])
    const producer = await proxy.producer()
    await producer.send(topic, 0, [{ key: 'k', value: Buffer.from('hello'), headers: {} }])
    await producer.close()
    const ingest = as('ingest')
    expect(await ingest.ensure([topic, dead].map((name) => ({ topic: name, partitions: 1, retentionMs: 1 })))).toHaveLength(2)
    const source = openKafkaSource({ link: ingest, topic, group: 'weir.ingest' })
    onTestFinished(() => source.close())
    const [partition = ''] = await until(
      'partitions',
      async () => {
        const found = await source.partitions()
        return found.length > 0 && found
      },
      { timeoutMs: 60_000 },
    )
    const [record] = await until('the event', async () => {
      const found = await source.read(partition, 0, 10, 1e6)
      return found.length > 0 && found
    })
    expect(record?.payload.toString()).toBe('hello')
    await source.plan(partition, '', { first: 0, last: 0 })
    await source.commit(partition, '', 1)
    expect(await source.lagBytes('')).toBe(0)
    const letters = await ingest.producer()
    await letters.send(dead, 0, [{ key: 'k', value: Buffer.from('what is this'), headers: {} }])
    await expect(
      letters.send(topic, 0, [{ key: 'k', value: Buffer.from('no'), headers: {} }]).catch((cause: unknown) => whyOf(cause)),
    ).resolves.toMatch(/^The user of kafka\.sasl in weir\.yaml may not do this/)
    await letters.close()
    expect(
      await proxy.ensure([{ topic: 'more', partitions: 1, retentionMs: 1 }]).catch((cause: unknown) => whyOf(cause)),
    ).toMatch(/^The user of kafka\.sasl in weir\.yaml may not do this/)
  }, 120_000)

  test('a certificate file that is not there ends the start in one sentence', async () => {
    expect(() => linkOf(tls, { ssl: { ca: '/nowhere/ca.pem' } })).toThrow(
      'kafka.ssl.ca: /nowhere/ca.pem cannot be read (ENOENT).',
    )
  })

  const ready = async (url: string) =>
    (await (await fetch(`${url}/readyz`)).json()) as {
      status: string
      causes: { cause: string; effect: string }[]
      shipping: { lagBytes: number | null }
    }
  const hubCauses = async (url: string) =>
    ((await (await fetch(`${url}/api/health`)).json()) as { causes: { cause: string; effect: string }[] }).causes

  test('a whole house with a wrong password: calls pass, pages and questions answer, both say why; and doctor does', async () => {
    const house = await openHouse({
      yaml: `kafka: { topic: never, sasl: { mechanism: plain, username: weir, password: wr0ng } }\n${providersAt(fake.origin, ['openai'])}`,
      env: { KAFKA_BROKERS: `127.0.0.1:${sasl}` },
    })
    onTestFinished(() => house.stop())
    const answer = await fetch(`${house.proxy}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
      body: JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'hi' }] }),
    })
    expect(answer.status).toBe(200)
    await answer.text()
    expect(await house.query('SELECT count() AS n FROM requests')).toEqual([{ n: '0' }])
    const told = await until('the proxy to say why', async () => {
      const found = await ready(house.proxy)
      return found.status === 'degraded' && (found.shipping.lagBytes ?? 0) > 0 && found
    })
    expect(told.causes).toMatchObject([
      { cause: 'kafka_unreachable', effect: expect.stringContaining('refuse the user of kafka.sasl') },
    ])
    const effect = await until(
      'the hub to say why',
      async () =>
        (await hubCauses(house.web)).find(
          ({ cause, effect: found }) => cause === 'kafka_unreachable' && found.startsWith('Kafka has given'),
        )?.effect,
    )
    expect(effect).toContain('refuse the user of kafka.sasl')
    const metrics = await (await fetch(`${house.proxy}/metrics`)).text()
    expect(metrics).toMatch(/^weir_degraded\{cause="kafka_unreachable"\} 1$/m)
    expect(metrics).toMatch(/^weir_ship_lag_bytes [1-9]\d*$/m)

    const doctor = spawn(process.execPath, [weir, 'doctor', '--json'], {
      cwd: house.folder,
      env: {
        PATH: process.env.PATH ?? '',
        WEIR_DATA: join(house.folder, 'data'),
        WEIR_CONFIG: house.configFile,
        KAFKA_BROKERS: `127.0.0.1:${sasl}`,
      },
    })
    const { checks } = JSON.parse(await text(doctor.stdout)) as { checks: Check[] }
    expect(checks.filter(({ name }) => name === 'kafka')).toMatchObject([
      { state: 'ok' },
      { state: 'fail', message: expect.stringContaining('refuse the user') },
    ])
    for (const said of [house.stderr(), JSON.stringify(checks), metrics]) expect(said).not.toContain('wr0ng')
  }, 120_000)

  test('a whole house before its broker: it comes up, what was called waits, and is stored once the broker is there', async () => {
    const later = await startKafka({ dir: mkdtempSync(join(dir, 'later-')) })
    onTestFinished(() => later.stop())
    const [node] = later.nodes
    await node?.kill()
    const house = await openHouse({ yaml: providersAt(fake.origin, ['openai']), env: { KAFKA_BROKERS: later.brokers } })
    onTestFinished(() => house.stop())
    const ids: string[] = []
    const callAgain = (): Promise<Response> =>
      fetch(`${house.proxy}/openai/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test' },
        body: JSON.stringify({ model: 'gpt-5', messages: [{ role: 'user', content: 'hi' }] }),
      })
    for (let n = 0; n < 5; n++) {
      const answer = await callAgain()
      expect(answer.status).toBe(200)
      await answer.text()
      ids.push(answer.headers.get('weir-id') ?? '')
    }
    const env = { KAFKA_BROKERS: later.brokers }
    const cause = 'kafka_unreachable'
    const calling = setInterval(() => void callAgain().catch(() => undefined), 500)
    onTestFinished(() => clearInterval(calling))
    await toldEverywhere(house, {
      cause,
      by: 'proxy',
      effect:
        /MiB of events wait in the journal, 0 % of its limit; at the rate of the last minute it is full in \d+ (?:s|min|h|days)\. No broker of KAFKA_BROKERS answers/,
      env,
    })
    await toldEverywhere(house, { cause, by: 'hub', effect: /^Kafka has given no events for \d+ s/, env })
    const figure = async (name: string): Promise<number> =>
      Number(new RegExp(`^${name} (.*)$`, 'm').exec(await (await fetch(`${house.proxy}/metrics`)).text())?.[1])
    expect(await figure('weir_ship_lag_seconds')).toBeGreaterThan(1)
    expect(await figure('weir_ship_lag_bytes')).toBeGreaterThan(1000)
    clearInterval(calling)
    await node?.start()
    for (const id of ids) expect((await house.row(id, 90_000)).id).toBe(id)
    await goneEverywhere(house, [cause], env)
    await until('all to be shipped', async () => (await figure('weir_ship_lag_bytes')) === 0)
    expect(await figure('weir_ship_lag_seconds')).toBe(0)
    expect(await figure('weir_ship_events_total')).toBeGreaterThanOrEqual(ids.length)
    expect((await ready(house.proxy)).status).toBe('ready')
    expect(await hubCauses(house.web)).toEqual([])
  }, 180_000)
})
