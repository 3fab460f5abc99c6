import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import type { Provider } from '../../core/providers/registry.js'
import { denialOf } from '../admit/allowed.js'
import type { Call, Reply } from '../call.js'
import { bearing, credentialNames } from '../obtain/credential.js'
import type { Pools } from '../obtain/pools.js'
import type { CallRecord } from '../record.js'
import { modelSources, type ModelSource } from './model-source.js'
import { toldModels, type ToldModel } from './told-models.js'

export interface ModelsDeps {
  readonly config: Pick<Config, 'providers' | 'targets' | 'journal'>
  readonly providers: ReadonlyMap<string, Provider>
  readonly pools: Pools
}

/** Lists the models that a call's keys reach; resolves with `null` where the default provider's own list is what is asked for. */
export type ListModels = (call: Call, record: CallRecord) => Promise<Reply | null>

const timeoutMs = 5000
const mostBytes = 4 * 1024 * 1024
const rememberedMs = 5 * 60_000
/** A provider that failed is asked again soon. */
const failureRememberedMs = 30_000
const mostRemembered = 256

/** What one provider told, or that it did not. */
type Told = readonly ToldModel[] | 'failed'

const headersTo = ({ provider, listing, key, isCallers }: ModelSource, call: Call): string[] => {
  const { origin } = provider
  const target = {
    provider,
    origin,
    path: listing.path,
    route: { lane: 'relay', family: listing.family, api: '', operation: '' },
  } as const
  const headers = ['accept', 'application/json']
  if (key !== null) headers.push(...bearing(target, key))
  if (isCallers)
    for (let i = 0; i < call.headers.length; i += 2)
      if (credentialNames.has((call.headers[i] as string).toLowerCase()))
        headers.push(call.headers[i] as string, call.headers[i + 1] as string)
  if (listing.family === 'anthropic') headers.push('anthropic-version', '2023-06-01')
  if (!provider.builtIn) headers.push('weir-hop', String(call.hop + 1), 'via', '1.1 weir')
  return headers
}

const ask = async (source: ModelSource, call: Call, pools: Pools): Promise<Told> => {
  const { provider, listing } = source
  try {
    const answer = await pools.of(provider).request({
      method: 'GET',
      path: listing.path,
      headers: headersTo(source, call),
      signal: AbortSignal.timeout(timeoutMs),
    })
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > mostBytes) return 'failed'
      chunks.push(chunk)
    }
    if (answer.statusCode !== 200) return 'failed'
    return toldModels(JSON.parse(Buffer.concat(chunks).toString())) ?? 'failed'
  } catch {
    // Whatever it was: its models are not known now, and the others' are.
    return 'failed'
  }
}

const replyOf = (data: readonly object[]): Reply => {
  const body = Buffer.from(JSON.stringify({ object: 'list', data }))
  return {
    status: 200,
    statusText: 'OK',
    headers: ['content-type', 'application/json; charset=utf-8', 'content-length', String(body.length)],
    body: {
      attach: (sink) => {
        sink.data(body)
        sink.end()
      },
      pause: () => undefined,
      resume: () => undefined,
      destroy: () => undefined,
    },
  }
}

/**
 * `GET /v1/models`: what the keys of weir.yaml and those a caller brings reach, by the names the unified path takes. Each provider is asked
 * for its own list, at most 5 s and 4 MiB, which is remembered for 5 minutes. One that fails spoils nothing: a warning names it.
 *
 * @throws WeirError `upstream_bad_response` when nobody told of any; `journal_unavailable`.
 */
export const listModelsBy = ({ config, providers, pools }: ModelsDeps): ListModels => {
  const remembered = new LRUCache<string, Promise<Told>>({ max: mostRemembered, ttl: rememberedMs })

  const toldBy = (source: ModelSource, call: Call): Promise<Told> => {
    const { provider, listing } = source
    const secrets = headersTo(source, { ...call, hop: 0 })
    const name = createHash('sha256')
      .update(JSON.stringify([provider.name, provider.origin, listing.path, secrets]))
      .digest('base64')
    const known = remembered.get(name)
    if (known !== undefined) return known
    const asked = ask(source, call, pools)
    remembered.set(name, asked)
    void asked.then((told) => {
      if (told === 'failed' && remembered.peek(name) === asked) remembered.set(name, asked, { ttl: failureRememberedMs })
    })
    return asked
  }

  const isOpen = (call: Call, provider: Provider, model: string | null, alias: string | null): boolean => {
    const { allowed } = call.caller
    return allowed === null || denialOf(allowed, { provider, model, alias }) === null
  }

  const aliases = (call: Call): readonly object[] =>
    call.caller.trusted
      ? Object.entries(config.targets).flatMap(([name, { provider: named, model }]) => {
          const provider = providers.get(named)
          const id = `@${name}`
          return provider === undefined || model === undefined || !isOpen(call, provider, model, id)
            ? []
            : [{ id, object: 'model', created: 0, owned_by: provider.name }]
        })
      : []

  const start = async (record: CallRecord): Promise<void> => {
    const failure = await record.start()
    if (failure === null) return
    if (record.durability === 'strict' || config.journal.full === 'refuse')
      throw new WeirError('journal_unavailable', `The journal cannot take the call: ${failure.message}`, { cause: failure })
    record.warnings.push('journal-full')
  }

  return async (call, record) => {
    const sources = modelSources(call, { config, providers: providers.values() })
    const named = aliases(call)
    if (sources.length === 0 && named.length === 0) return null
    // Several providers answer, and none of them is the call's.
    record.target = null
    record.mark('admitted')
    await start(record)
    record.mark('sent')
    const told = await Promise.all(sources.map((source) => toldBy(source, call)))
    const data = [...named]
    for (const [i, models] of told.entries()) {
      const { provider } = sources[i] as ModelSource
      if (models === 'failed') record.warnings.push(`models-missing;p="${provider.name}"`)
      else
        for (const { id, created } of models)
          if (isOpen(call, provider, id, null))
            data.push({ id: `${provider.name}/${id}`, object: 'model', created, owned_by: provider.name })
    }
    if (data.length === 0 && told.includes('failed'))
      throw new WeirError('upstream_bad_response', 'No provider told of its models; Weir-Warning names those that were asked.')
    return replyOf(data)
  }
}
