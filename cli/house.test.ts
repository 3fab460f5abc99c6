import { expect, test } from 'vitest'
import { loadConfig } from '../core/config.js'
import { proxyPorts } from './house.js'

const portsOf = (env: Readonly<Record<string, string>>): readonly number[] =>
  proxyPorts(loadConfig({ WEIR_CONFIG: '/dev/null', REDIS_URL: 'redis://127.0.0.1', ...env }, '/'))

test.each([
  [{}, [8787]],
  [{ WEIR_PROXIES: '4' }, [8787, 8790, 8791, 8792]],
  [{ WEIR_PROXIES: '3', WEIR_PROXY_PORT: '8122' }, [8122, 8124, 8125]],
  [{ WEIR_PROXIES: '3', WEIR_PROXY_PORT: '9000' }, [9000, 9001, 9002]],
  [{ WEIR_PROXIES: '3', WEIR_PROXY_PORT: '0' }, [0, 0, 0]],
  // What two roles share is told by whoever cannot listen.
  [{ WEIR_PROXY_PORT: '8788' }, [8788]],
] as const)('ports of the proxies under %j are %j', (env, ports) => {
  expect(portsOf(env)).toEqual(ports)
})

test('ports that run out are told', () => {
  expect(portsOf({ WEIR_PROXIES: '2', WEIR_PROXY_PORT: '65534' })).toEqual([65_534, 65_535])
  expect(() => portsOf({ WEIR_PROXIES: '3', WEIR_PROXY_PORT: '65534' })).toThrow(
    'there are no 3 ports from WEIR_PROXY_PORT 65534 on',
  )
})
