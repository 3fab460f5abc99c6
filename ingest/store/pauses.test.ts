import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DbError, type Db } from '../../clickhouse/db.js'
import { engines, testFolder } from '../../clickhouse/testing.js'
import { addRow, batchMaker } from './batch.js'
import { ingestPauses } from './pauses.js'
import { createStore } from './store.js'
import { enrichedFrom, exchange } from '../testing.js'

describe.each(engines())('$name', ({ open }) => {
  const opened = async () => {
    const db = await open(testFolder(onTestFinished))
    onTestFinished(() => db.close())
    return db
  }
  const holder = () => {
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => (release = resolve))
    return { release, released }
  }

  test('the others are asked to wait while one is at work, and no longer', async () => {
    const db = await opened()
    const [a, b] = [ingestPauses({ db, settleMs: 0 }), ingestPauses({ db, settleMs: 0 })]
    expect(await b.asked()).toBe(false)
    const { release, released } = holder()
    const held = a.hold(async (renew) => {
      await renew()
      await released
      return 'done'
    })
    await vi.waitFor(async () => expect(await b.asked()).toBe(true))
    expect(await a.asked()).toBe(false)
    const work = vi.fn(() => Promise.resolve())
    expect(await b.hold(work)).toBeNull()
    expect(work).not.toHaveBeenCalled()
    release()
    expect(await held).toBe('done')
    expect(await b.asked()).toBe(false)
    expect(await b.hold(() => Promise.resolve('its turn'))).toBe('its turn')
  })

  test('a holder that failed lets go; one that died is waited for until its time is over', async () => {
    const db = await opened()
    const [a, b] = [ingestPauses({ db, settleMs: 0 }), ingestPauses({ db, settleMs: 0 })]
    await expect(a.hold(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await b.asked()).toBe(false)
    await db.exec("INSERT INTO ingest_pauses (owner, until) SELECT 'dead', now64(3) + INTERVAL 500 MILLISECOND")
    expect(await b.asked()).toBe(true)
    await vi.waitFor(async () => expect(await b.asked()).toBe(false), { timeout: 20_000 })
  })

  test('a batch waits for the end of the pause', async () => {
    const db = await opened()
    const [repairing, storing] = [ingestPauses({ db, settleMs: 0 }), ingestPauses({ db, settleMs: 0 })]
    const asked = vi.fn(storing.asked)
    const store = createStore({ db, now: Date.now, random: () => 0, onRetry: () => undefined, paused: asked })
    const batch = batchMaker()('a', 0)
    const call = exchange()
    addRow(batch, { at: 1, doubt: false }, enrichedFrom(call, {}, { source: 'a', offset: 1 }))
    const { release, released } = holder()
    const held = repairing.hold(() => released)
    await vi.waitFor(async () => expect(await storing.asked()).toBe(true))
    const inserting = store.insert(batch, new AbortController().signal)
    await vi.waitFor(() => expect(asked).toHaveBeenCalled())
    const stored = () => db.rows('stored', 'SELECT count() AS n FROM requests')
    expect(await stored()).toEqual([{ n: '0' }])
    release()
    await held
    expect(await inserting).toEqual({ rows: 1, refused: [] })
    expect(await stored()).toEqual([{ n: '1' }])
  })

  test('an insert that failed waits, too, when a pause was asked for before its next try', async () => {
    const db = await opened()
    const [repairing, storing] = [ingestPauses({ db, settleMs: 0 }), ingestPauses({ db, settleMs: 0 })]
    const { release, released } = holder()
    let held: Promise<unknown> = Promise.resolve()
    let tries = 0
    const failing: Pick<Db, 'insert' | 'rows'> = {
      ...db,
      insert: async (table, lines, token) => {
        if (table === 'requests' && tries++ === 0) {
          held = repairing.hold(() => released)
          await vi.waitFor(async () => expect(await storing.asked()).toBe(true))
          // As long as what was seen before holds; a process that is frozen here stands for the same.
          await new Promise((resolve) => setTimeout(resolve, 1100))
          throw new DbError(0, 'the server went away')
        }
        await db.insert(table, lines, token)
      },
    }
    const asked = vi.fn(storing.asked)
    const store = createStore({ db: failing, now: Date.now, random: () => 0, onRetry: () => undefined, paused: asked })
    const batch = batchMaker()('a', 0)
    addRow(batch, { at: 1, doubt: false }, enrichedFrom(exchange(), {}, { source: 'a', offset: 1 }))
    const inserting = store.insert(batch, new AbortController().signal)
    await vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(1), { timeout: 20_000 })
    expect(await db.rows('stored', 'SELECT count() AS n FROM requests')).toEqual([{ n: '0' }])
    release()
    await held
    expect(await inserting).toEqual({ rows: 1, refused: [] })
  })
})
