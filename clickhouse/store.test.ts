import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from './db.js'
import { engines, lines, testFolder } from './testing.js'

const id = '01890a5d-ac96-774b-bcce-b302099a8057'

const call = (more: object = {}) => ({
  tenant_id: 'default',
  ts: '2026-11-25 10:00:00.123',
  request_id: id,
  retention_days: 400,
  source_offset: '18446744073709551615',
  user_id: 'ada',
  session_id: 's1',
  session_name: 'Refund',
  properties: { doc: 'd77', feature: 'search' },
  tags: ['a', 'b'],
  provider: 'openai',
  model: 'gpt-5-mini',
  streaming: true,
  status: 200,
  outcome: 'complete',
  attempts: [
    [1, 'openai/gpt', 'openai', 'gpt-5-mini', 500, 'overloaded', 0, 5000, null],
    [2, 'openai/gpt', 'openai', 'gpt-5-mini', 200, '', 5000, 9000, '0.000000000001'],
  ],
  attempt_facts: [[1, true, 900, null]],
  passed_over: [['@eu', 'circuit_open', 1]],
  total_ms: 12,
  input_tokens: 10,
  output_tokens: null,
  marks_us: { admitted: 40 },
  cost_total: '123456.123456789012',
  cost_status: 'priced',
  cost_lines: [['input', 'gpt-5-mini', 2, 0, '10', '0.000000000001', 1_000_000, '1', '0.000000000001', 'book']],
  prompt_hash: '18446744073709551615',
  ...more,
})

const opened = async (open: (dataDir: string) => Promise<Db>, folder = testFolder(onTestFinished)): Promise<Db> => {
  const db = await open(folder)
  onTestFinished(() => db.close())
  return db
}

describe.each(engines())('$name', ({ name, open }) => {
  test('a row comes back as it was written: 64-bit integers, decimals to 1e-12, tuples, maps, times, NULL', async () => {
    const db = await opened(open)
    const tenant = randomUUID()
    await db.insert('requests', lines(call({ tenant_id: tenant })), `exact-${tenant}`)
    const rows = await db.rows(
      'one-call',
      `SELECT request_id, ts, source_offset, prompt_hash, properties, tags, kv, marks_us, streaming, attempts, attempt_facts, passed_over, cost_lines, cost_total,
        cost_input, input_tokens, output_tokens FROM requests WHERE tenant_id = {tenant:String}`,
      { tenant },
    )
    expect(rows).toEqual([
      {
        request_id: id,
        ts: '2026-11-25 10:00:00.123',
        source_offset: '18446744073709551615',
        prompt_hash: '18446744073709551615',
        properties: { doc: 'd77', feature: 'search' },
        tags: ['a', 'b'],
        kv: ['doc=d77', 'feature=search'],
        marks_us: { admitted: 40 },
        streaming: true,
        attempts: [
          {
            n: 1,
            target: 'openai/gpt',
            provider: 'openai',
            model: 'gpt-5-mini',
            status: 500,
            error_kind: 'overloaded',
            start_us: 0,
            end_us: 5000,
            cost: null,
          },
          {
            n: 2,
            target: 'openai/gpt',
            provider: 'openai',
            model: 'gpt-5-mini',
            status: 200,
            error_kind: '',
            start_us: 5000,
            end_us: 9000,
            cost: '0.000000000001',
          },
        ],
        attempt_facts: [{ n: 1, replayed: true, input_tokens: 900, output_tokens: null }],
        passed_over: [{ target: '@eu', reason: 'circuit_open', after: 1 }],
        cost_lines: [
          {
            unit: 'input',
            model: 'gpt-5-mini',
            attempt: 2,
            part: 0,
            quantity: '10',
            unit_price: '0.000000000001',
            per: 1_000_000,
            multiplier: '1',
            amount: '0.000000000001',
            origin: 'book',
          },
        ],
        cost_total: '123456.123456789012',
        cost_input: null,
        input_tokens: 10,
        output_tokens: null,
      },
    ])
  })

  test('the same token twice inserts once, roll-ups included; another token inserts again', async () => {
    const db = await opened(open)
    const tenant = randomUUID()
    const batch = lines(
      call({ tenant_id: tenant }),
      call({ tenant_id: tenant, request_id: randomUUID(), cost_total: '0.000000000001' }),
    )
    await db.insert('requests', batch, `batch-${tenant}`)
    await db.insert('requests', batch, `batch-${tenant}`)
    await db.insert('requests', lines(call({ tenant_id: tenant, request_id: randomUUID() })), `other-${tenant}`)
    const counted = async (sql: string) => await db.rows('counted', sql, { tenant })
    expect(await counted('SELECT count() AS n FROM requests WHERE tenant_id = {tenant:String}')).toEqual([{ n: '3' }])
    // 123456.123456789012 twice and 0.000000000001 once.
    expect(await counted('SELECT sum(n) AS n, sum(cost) AS cost FROM r_user_1d WHERE tenant_id = {tenant:String}')).toEqual([
      { n: '3', cost: '246912.246913578025' },
    ])
    expect(
      await counted(
        'SELECT sum(n) AS n, sum(later) AS later, sum(cost) AS cost FROM r_attempt_1h WHERE tenant_id = {tenant:String}',
      ),
    ).toEqual([{ n: '6', later: '3', cost: '0.000000000003' }])
    expect(
      await counted(
        'SELECT key, value, sum(n) AS n, sum(ms) AS ms FROM r_prop_1d WHERE tenant_id = {tenant:String} GROUP BY ALL ORDER BY key',
      ),
    ).toEqual([
      { key: 'doc', value: 'd77', n: '3', ms: '36' },
      { key: 'feature', value: 'search', n: '3', ms: '36' },
    ])
    expect(
      await counted('SELECT sum(n) AS n, anyLast(name) AS name FROM r_session_1d WHERE tenant_id = {tenant:String}'),
    ).toEqual([{ n: '3', name: 'Refund' }])
    expect(
      await counted(
        'SELECT sum(n) AS n, quantilesTDigestMerge(0.5)(total_q) AS p FROM r_model_1h WHERE tenant_id = {tenant:String}',
      ),
    ).toEqual([{ n: '3', p: [12] }])
  })

  test('a token is remembered when the store was closed in between', async () => {
    const folder = testFolder(onTestFinished)
    const tenant = randomUUID()
    const first = await open(folder)
    await first.insert('requests', lines(call({ tenant_id: tenant })), `kept-${tenant}`)
    await first.close()
    const db = await opened(open, folder)
    await db.insert('requests', lines(call({ tenant_id: tenant })), `kept-${tenant}`)
    expect(
      await db.rows(
        'counted',
        `SELECT (SELECT count() FROM requests WHERE tenant_id = {tenant:String}) AS rows,
          (SELECT sum(n) FROM r_user_1d WHERE tenant_id = {tenant:String}) AS rolled`,
        { tenant },
      ),
    ).toEqual([{ rows: '1', rolled: '1' }])
  })

  test('a batch that spans partitions is inserted once as well', async () => {
    const db = await opened(open)
    const tenant = randomUUID()
    const batch = lines(
      call({ tenant_id: tenant, retention_days: 1 }),
      call({ tenant_id: tenant, retention_days: 30, request_id: randomUUID() }),
      call({ tenant_id: tenant, ts: '2026-10-25 10:00:00.000', request_id: randomUUID() }),
    )
    for (const _ of [1, 2, 3]) await db.insert('requests', batch, `parts-${tenant}`)
    expect(await db.rows('counted', 'SELECT sum(n) AS n FROM r_user_1d WHERE tenant_id = {tenant:String}', { tenant })).toEqual([
      { n: '3' },
    ])
  })

  test('a token is text, whatever it holds', async () => {
    const db = await opened(open)
    const tenant = randomUUID()
    const token = `it's \\ "${tenant}"`
    await db.insert('requests', lines(call({ tenant_id: tenant })), token)
    await db.insert('requests', lines(call({ tenant_id: tenant })), token)
    expect(await db.rows('counted', 'SELECT count() AS n FROM requests WHERE tenant_id = {tenant:String}', { tenant })).toEqual([
      { n: '1' },
    ])
  })

  test('parameters take the form of their type', async () => {
    const db = await opened(open)
    const at = new Date('2026-11-25T10:00:00.123Z')
    const rows = await db.rows(
      'parameters',
      `SELECT {day:Date} AS day, {second:DateTime('UTC')} AS second, {at:DateTime64(3, 'UTC')} AS at, {words:Array(String)} AS words,
        {text:String} AS text, {big:UInt64} AS big, {money:Decimal(38, 12)} AS money, {id:UUID} AS id, {yes:Bool} AS yes, {none:Nullable(String)} AS none`,
      {
        day: at,
        second: at,
        at,
        words: ["a'b", 'c\\d', 'e\nf', "'); DROP TABLE requests"],
        text: "it's \\ \t \n {x:String} ü",
        big: 18446744073709551615n,
        money: '0.000000000001',
        id,
        yes: true,
        none: null,
      },
    )
    expect(rows).toEqual([
      {
        day: '2026-11-25',
        second: '2026-11-25 10:00:00',
        at: '2026-11-25 10:00:00.123',
        words: ["a'b", 'c\\d', 'e\nf', "'); DROP TABLE requests"],
        text: "it's \\ \t \n {x:String} ü",
        big: '18446744073709551615',
        money: '0.000000000001',
        id,
        yes: true,
        none: null,
      },
    ])
  })

  test('a parameter set for one question is unknown to the next', async () => {
    const db = await opened(open)
    await db.rows('first', 'SELECT {x:String} AS x', { x: 'a' })
    await expect(db.rows('second', 'SELECT {x:String} AS x')).rejects.toMatchObject({ name: 'DbError', code: 456 })
  })

  test('questions asked at once keep their own parameters', async () => {
    const db = await opened(open)
    const asked = Array.from({ length: 60 }, (_, i) => i)
    const answers = await Promise.all(asked.map((x) => db.rows<{ x: number }>('echo', 'SELECT {x:UInt32} AS x', { x })))
    expect(answers.map(([row]) => row?.x)).toEqual(asked)
  })

  test('an error carries the code and the text of the engine', async () => {
    const db = await opened(open)
    await expect(db.rows('unknown-table', 'SELECT * FROM nothing_here')).rejects.toMatchObject({
      name: 'DbError',
      code: 60,
      message: expect.stringMatching(/^Code: 60\. DB::Exception: .*nothing_here.*UNKNOWN_TABLE/s),
    })
    await expect(db.insert('requests', lines({ nobody: 1 }), randomUUID())).rejects.toMatchObject({ name: 'DbError', code: 117 })
  })

  test('neither questions nor raw answers write', async () => {
    const db = await opened(open)
    const insert = "INSERT INTO log_gaps (tenant_id) VALUES ('x')"
    await expect(db.rows('write', insert)).rejects.toMatchObject({ code: 164 })
    await expect(db.raw(insert, { format: 'TSV', params: {} })).rejects.toMatchObject({ code: 164 })
    await expect(db.raw('DROP TABLE requests', { format: 'TSV', params: {} })).rejects.toMatchObject({ code: 164 })
    await expect(db.raw('SELECT 1 SETTINGS max_execution_time = 0', { format: 'TSV', params: {} })).rejects.toMatchObject({
      code: 164,
    })
  })

  test('a raw answer is bytes in the format asked for, limited in rows and in time', async () => {
    const db = await opened(open)
    const csv = await db.raw('SELECT number, toDecimal64({x:String}, 12) AS d FROM numbers(2)', {
      format: 'CSVWithNames',
      params: { x: '0.1' },
    })
    expect(Buffer.from(csv.bytes).toString()).toBe('"number","d"\n0,0.1\n1,0.1\n')
    expect(csv.rowsRead).toBe(2)
    await expect(db.raw('SELECT number FROM numbers(10001)', { format: 'TSV', params: {} })).rejects.toMatchObject({ code: 396 })
    await expect(
      db.raw('SELECT sum(sipHash64(number)) FROM numbers(100000000000)', { format: 'TSV', params: {}, maxSeconds: 1 }),
    ).rejects.toMatchObject({ code: 159 })
  })

  test('parameters of a client arrive as it escaped them', async () => {
    const db = await opened(open)
    const { bytes } = await db.raw('SELECT {s:String} AS s, {a:Array(String)} AS a, {n:Nullable(UInt8)} AS n', {
      format: 'JSONEachRow',
      params: {},
      wireParams: { s: "it's \\\\ \\t", a: "['b\\'c']", n: '\\N' },
    })
    expect(JSON.parse(Buffer.from(bytes).toString())).toEqual({ s: "it's \\ \t", a: ["b'c"], n: null })
  })

  test('a slow raw answer holds up neither questions nor inserts', async () => {
    const db = await opened(open)
    const tenant = randomUUID()
    let ended = false
    const slow = db
      .raw('SELECT sum(sipHash64(number)) FROM numbers(100000000000)', { format: 'TSV', params: {}, maxSeconds: 3 })
      .catch(() => undefined)
      .finally(() => (ended = true))
    await db.rows('quick', 'SELECT 1')
    await db.insert('requests', lines(call({ tenant_id: tenant })), tenant)
    expect(ended).toBe(false)
    await slow
  })

  if (name === 'embedded') {
    test('the engine may hold 448 MiB, one question 160 MiB of them', async () => {
      const db = await opened(open)
      expect(
        await db.rows(
          'settings',
          "SELECT name, value FROM system.server_settings WHERE name IN ('max_server_memory_usage', 'mark_cache_size') ORDER BY name",
        ),
      ).toEqual([
        { name: 'mark_cache_size', value: String(32 * 1024 ** 2) },
        { name: 'max_server_memory_usage', value: String(448 * 1024 ** 2) },
      ])
      await expect(db.rows('too-much', 'SELECT length(groupArray(number)) FROM numbers(100000000)')).rejects.toMatchObject({
        code: 241,
      })
    })

    test('the engine itself refuses every source, gate or no gate', async () => {
      const db = await opened(open)
      for (const sql of [
        "SELECT * FROM file('/etc/hostname', 'LineAsString')",
        "DESCRIBE url('http://127.0.0.1:1/')",
        "DESCRIBE s3('http://127.0.0.1:1/bucket/b.csv')",
      ])
        await expect(db.rows('source', sql), sql).rejects.toMatchObject({ code: 497 })
      await expect(db.exec("INSERT INTO log_gaps SELECT * FROM remote('127.0.0.1:1', 'system', 'one')")).rejects.toMatchObject({
        code: 497,
      })
    })

    test('closing waits for what is under way and refuses what comes after', async () => {
      const db = await open(testFolder(onTestFinished))
      const underWay = [
        db.rows('a', 'SELECT sum(number) AS s FROM numbers(1000000)'),
        db.insert('requests', lines(call()), 'last'),
      ]
      const [closed] = await Promise.allSettled([db.close(), ...underWay])
      expect(closed?.status).toBe('fulfilled')
      expect(await underWay[0]).toEqual([{ s: '499999500000' }])
      await expect(db.rows('b', 'SELECT 1')).rejects.toMatchObject({ name: 'DbError' })
      await expect(db.insert('requests', lines(call()), 'late')).rejects.toMatchObject({ name: 'DbError' })
      await expect(db.close()).resolves.toBeUndefined()
    })
  }
})
