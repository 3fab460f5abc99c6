import { startTestingServer, type TestingServerOptions } from '../../../clickhouse/engine/testing-server.js'

// A process of its own, so that it can be killed: the embedded engine behind the ClickHouse HTTP interface.
const [dir = '', options = '{}'] = process.argv.slice(2)
const server = await startTestingServer(dir, JSON.parse(options) as TestingServerOptions)
process.on('SIGTERM', () => void server.close().finally(() => process.exit(0)))
process.on('disconnect', () => process.exit(0))
process.send?.(server.url)
