import { expect, test } from 'vitest'
import { loadConfig } from '../config.js'

const secret = 's'.repeat(40)
const load = (env: Readonly<Record<string, string>>): ReturnType<typeof loadConfig> =>
  loadConfig({ WEIR_CONFIG: '/dev/null', WEIR_ADMIN_SECRET: secret, ...env }, '/')

test('none is none; those that are there are origins', () => {
  expect(load({})).toMatchObject({ proxiesUrls: [], ingestUrl: null })
  expect(
    load({
      WEIR_PROXIES_URLS: 'https://a.example:8787/, http://127.0.0.1:8790,http://[::1]:8791',
      WEIR_INGEST_URL: 'http://localhost:8789',
    }),
  ).toMatchObject({
    proxiesUrls: ['https://a.example:8787', 'http://127.0.0.1:8790', 'http://[::1]:8791'],
    ingestUrl: 'http://localhost:8789',
  })
})

test.each(['proxy:8787', 'ftp://proxy', 'http://proxy:8787/path', 'https://user:hunter2@proxy', 'http://', 'https://a b'])(
  '%s is none, which is said without a password',
  (url) => {
    for (const name of ['WEIR_PROXIES_URLS', 'WEIR_INGEST_URL']) {
      expect(() => load({ [name]: url })).toThrow(
        new RegExp(`^${name}: ".*" is not the URL of a role\\. Accepted: .*http\\(s\\)://host:port`),
      )
      expect(() => load({ [name]: url })).not.toThrow(/hunter2/)
    }
  },
)

test('without TLS the secret goes to this machine alone, unless the network was said to be private', () => {
  for (const url of ['http://proxy:8787', 'http://10.0.0.5:8787', 'http://127.0.0.1.example:80']) {
    expect(() => load({ WEIR_PROXIES_URLS: url })).toThrow('in clear. Accepted: https://')
    expect(() => load({ WEIR_PROXIES_URLS: url, WEIR_CHANNEL_HTTP: 'loopback' })).toThrow('in clear')
    expect(load({ WEIR_PROXIES_URLS: url, WEIR_CHANNEL_HTTP: 'private' }).proxiesUrls).toHaveLength(1)
  }
  expect(() => load({ WEIR_CHANNEL_HTTP: 'yes' })).toThrow('WEIR_CHANNEL_HTTP: "yes" is not known. Accepted: loopback, private.')
})

test('one ingest, each proxy once, and a secret to come with', () => {
  expect(() => load({ WEIR_INGEST_URL: 'https://a,https://b' })).toThrow('WEIR_INGEST_URL: there are several')
  expect(() => load({ WEIR_PROXIES_URLS: 'https://a,https://a/' })).toThrow('https://a is named twice')
  for (const name of ['WEIR_PROXIES_URLS', 'WEIR_INGEST_URL'])
    expect(() => load({ [name]: 'https://a', WEIR_ADMIN_SECRET: '' })).toThrow(
      `${name}: other roles are asked with WEIR_ADMIN_SECRET`,
    )
})
