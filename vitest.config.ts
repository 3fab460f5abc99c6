import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: ['scripts/fuzz-seed.ts'],
          include: ['{core,journal,proxy,clickhouse,ingest,control,web,cli,bench,scripts}/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // A loaded machine takes its time; what a poll waits for is a condition, not a speed.
          expect: { poll: { timeout: 20_000 } },
          pool: 'forks',
        },
      },
      {
        test: {
          // What asks or fills the store, once more over HTTP by @clickhouse/client.
          name: 'server',
          env: { WEIR_TEST_ENGINE: 'server' },
          include: [
            'ingest/{charged,consume,main,prepare}.test.ts',
            'ingest/export/same-figures.test.ts',
            'web/api/{api,prices}.test.ts',
          ],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 20_000 } },
          pool: 'forks',
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          // Tests that run side by side wait for rows and time-outs, not for the processor.
          maxConcurrency: 12,
          // A loaded machine takes its time; what a poll waits for is a condition, not a speed.
          expect: { poll: { timeout: 20_000 } },
          pool: 'forks',
        },
      },
    ],
  },
})
