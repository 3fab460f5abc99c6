import { describe, expect, onTestFinished, test } from 'vitest'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openDb } from '../open.js'
import { testFolder } from '../testing.js'
import { gate, harmlessTableFunctions, refusedTableFunctions } from './gate.js'

const refused = [
  // Statements that are not questions.
  '',
  ' ',
  '-- SELECT 1',
  '/* SELECT 1 */',
  'INSERT INTO requests SELECT * FROM requests',
  'DROP TABLE requests',
  'TRUNCATE TABLE requests',
  'ALTER TABLE requests DELETE WHERE 1',
  'CREATE TABLE t (x UInt8) ENGINE = Memory',
  'SET readonly = 0',
  'USE system',
  'KILL QUERY WHERE 1',
  'SYSTEM SHUTDOWN',
  'OPTIMIZE TABLE requests',
  'GRANT ALL ON *.* TO default',
  'ATTACH TABLE x',
  'DETACH TABLE requests',
  'RENAME TABLE requests TO r',
  'EXECUTE AS admin SELECT 1',
  'WATCH requests',
  "BACKUP TABLE requests TO Disk('a', 'b')",
  '(SELECT 1)',
  'SELECTED',
  '/* a /* b */ DROP TABLE requests */ SELECT 1',
  '/* * */ SELECT 1',
  // A second statement.
  'SELECT 1; DROP TABLE requests',
  'SELECT 1;;SELECT 2',
  "SELECT ';'",
  'SELECT 1 /* ; */',
  // Read-only mode lifted.
  'SELECT 1 SETTINGS readonly = 0',
  'SELECT * FROM (SELECT 1 SETTINGS readonly = 0)',
  'WITH x AS (SELECT 1 settings readonly=0) SELECT * FROM x',
  'SELECT 1 sEtTiNgS/**/readonly=0',
  'SELECT * FROM system.settings SETTINGS readonly = 0',
  'SELECT 1 FROM system.one/*system.*/settings readonly=0',
  'SELECT 1 FROM system.one --system.\nsettings readonly=0',
  'SELECT 1 FROM system . settings',
  'SELECT 1 FROM xsystem.settings',
  'SELECT 1 FROM x.system.settings',
  'SHOW SETTINGS',
  "SELECT 'the settings page'",
  // Written to, read from the disk.
  "SELECT 1 INTO OUTFILE '/tmp/x'",
  "SELECT 1 INTO/**/outfile'/tmp/x'",
  "SELECT file('/etc/passwd')",
  "SELECT `file`('/etc/passwd')",
  "SELECT file/* a /* b */ */('/etc/passwd')",
  "SELECT file -- x\n('/etc/passwd')",
  "SELECT arrayMap(file, ['/etc/passwd'])",
  "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
  "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
  "SELECT arrayMap({f:Identifier}, ['/etc/passwd'])",
  "SELECT arrayMap({f : identifier}, ['/etc/passwd'])",
  "SELECT `fi\\x6ce`('/etc/passwd')",
  'SELECT "fi\\x6ce"(\'/etc/passwd\')',
  "SELECT * APPLY `fi\\x6ce` FROM (SELECT '/etc/passwd')",
  "EXPLAIN SELECT file('/etc/passwd')",
  "DESCRIBE file('/etc/passwd')",
  "DESC TABLE file('/etc/passwd')",
  "DESCRIBE filesystem('/etc')",
  "SELECT * FROM file('/etc/passwd', 'LineAsString')",
  "SELECT * FROM executable('id', 'TSV', 'x String')",
  "SELECT catboostEvaluate('/tmp/model', 1)",
  "SELECT aiGenerate('x')",
  "SELECT AIGenerate('x')",
  // The network.
  "DESCRIBE url('http://169.254.169.254/latest/meta-data')",
  "DESCRIBE URL ('http://169.254.169.254/')",
  "DESCRIBE `url`('http://169.254.169.254/')",
  'DESCRIBE "url" ( \'http://169.254.169.254/\')',
  "DESCRIBE url/**/('http://169.254.169.254/')",
  "DESCRIBE url #!\n('http://169.254.169.254/')",
  "DESCRIBE url // x\n('http://169.254.169.254/')",
  "SELECT * FROM remote('10.0.0.1', system.one)",
  "SELECT * FROM remoteSecure('10.0.0.1', system.one)",
  "SELECT * FROM s3('http://10.0.0.1/a/b')",
  "SELECT * FROM mysql('10.0.0.1:3306', 'a', 'b', 'c', 'd')",
  "SELECT * FROM postgresql('10.0.0.1:5432', 'a', 'b', 'c', 'd')",
  "SELECT * FROM mongodb('10.0.0.1:27017', 'a', 'b', 'c', 'd', 'x String')",
  "SELECT * FROM redis('10.0.0.1:6379', 'k', 'k String')",
  "SELECT * FROM sqlite('/tmp/x.db', 't')",
  // SQL put together at run time.
  "SELECT * FROM eval('sel' || 'ect fi' || 'le()')",
  // What the engine and we might read differently.
  'SELECT 1\0; DROP TABLE requests',
  'SELECT 1 \x1b',
]

const allowed = [
  'SELECT 1',
  ' \n\tselect 1 ; \n',
  '-- a comment of a client\nSELECT 1',
  '/* ApplicationName=DBeaver 25.2 */ SELECT 1',
  'WITH 1 AS x SELECT x',
  'SHOW TABLES',
  'SHOW DATABASES',
  'DESCRIBE TABLE requests',
  'DESC requests',
  'EXISTS TABLE requests',
  'EXPLAIN SELECT count() FROM requests',
  'SELECT name, value FROM system.settings',
  "SELECT name FROM system.settings WHERE name = 'x' ORDER BY name FORMAT Native",
  'SELECT * FROM system.merge_tree_settings',
  'SELECT * FROM system.server_settings',
  "SELECT sum(cost_total) FROM requests WHERE user_id = 'ada' AND ts > now() - INTERVAL 7 DAY",
  "SELECT properties['feature'] AS feature, count() FROM requests GROUP BY ALL",
  'SELECT "user_id", `model` FROM requests',
  "SELECT count() FROM requests WHERE error_message LIKE '%\\_%'",
  'SELECT number FROM numbers(10)',
  'SELECT user_id FROM requests WHERE user_id = {user:String}',
  "SELECT format('{} {}', 1, 2), replaceAll('a', 'a', 'b')",
  'SELECT endpoint AS url, provider AS remote FROM requests',
  'SELECT profile, filename FROM (SELECT 1 AS profile, 2 AS filename)',
  'SELECT SUM(x) FORMAT JSON',
]

describe('the gate before the embedded engine', () => {
  test.each(refused)('refuses %j', (sql) => {
    expect(gate(sql)).toEqual({ sql: null, refused: { message: expect.stringMatching(/\S/) } })
  })

  test.each(allowed)('lets %j pass', (sql) => {
    expect(gate(sql)).toEqual({ sql: sql.replace(/[\s;]+$/, ''), refused: null })
  })

  test('says which word, and what to do about it', () => {
    expect(gate("SELECT 'my file'").refused?.message).toBe(
      'The word file is not allowed here, not even in a literal or a comment. Bind a literal as a parameter, {name:String}.',
    )
    expect(gate("DESCRIBE url('x')").refused?.message).toContain('The word url ')
  })

  test.each(refusedTableFunctions)('refuses %s() in each case', (name) => {
    for (const spelled of [name, name.toUpperCase(), name.toLowerCase(), `\`${name}\``, `"${name}"`])
      expect(gate(`DESCRIBE ${spelled} ('x')`).refused).not.toBeNull()
  })

  test('knows every table function of the engine, and every function that reads files or asks a model', async () => {
    const db = await openDb({ clickhouseUrl: null, dataDir: testFolder(onTestFinished) })
    onTestFinished(() => db.close())
    const inEngine = await db.rows<{ name: string }>('table-functions', 'SELECT name FROM system.table_functions')
    const known = new Set([...harmlessTableFunctions, ...refusedTableFunctions])
    expect(inEngine.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([])
    const reading = await db.rows<{ name: string }>(
      'reading-functions',
      "SELECT name FROM system.functions WHERE match(name, '^(ai|AI)[A-Z]') OR name IN ('file', 'catboostEvaluate') ORDER BY name",
    )
    expect(reading.length).toBeGreaterThan(5)
    for (const { name } of reading) expect(gate(`SELECT arrayMap(${name}, ['x'])`).refused).not.toBeNull()
  })

  test('what the gate and read-only mode leave open reads no file on the real engine', async () => {
    const dataDir = testFolder(onTestFinished)
    const secret = join(dataDir, 'secret.csv')
    mkdirSync(dataDir, { recursive: true })
    writeFileSync(secret, 'id,x\n1,TOPSECRET\n')
    const db = await openDb({ clickhouseUrl: null, dataDir })
    onTestFinished(() => db.close())
    const attempts = [
      ...refused,
      ...allowed,
      `SELECT * FROM '${secret}'`,
      `SELECT * FROM \`${secret}\``,
      `DESCRIBE '${secret}'`,
      'SELECT * FROM {p:String}',
    ]
    for (const attempt of attempts) {
      const sql = attempt.replaceAll('/etc/passwd', secret)
      const answer = await db
        .raw(sql, { format: 'TSV', params: {}, wireParams: { p: secret, f: 'file', user: 'x' } })
        .then(({ bytes }) => Buffer.from(bytes).toString(), String)
      expect(answer, sql).not.toContain('TOPSECRET')
    }
  })
})
