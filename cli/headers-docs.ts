import { errors, WeirError, type ErrorCode } from '../core/errors.js'
import { builtInProviders, type Family, type Provider } from '../core/providers/registry.js'
import { heliconeAliases, heliconeOnly, requestHeaders, type HeaderPart, type RequestHeader } from '../core/request-headers.js'
import { responseHeaders } from '../core/response-headers.js'
import { errorBody, refusalHeaders } from '../proxy/refuse.js'
import { table, withTables } from './page-tables.js'

const ticked = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(' ')

const requestTable = (part: HeaderPart): string => {
  const row = ({ name, helicone, grammar, absent, meaning }: RequestHeader): string[] => [
    `\`${name}\``,
    helicone ? 'H' : '',
    grammar,
    absent ?? '',
    meaning,
  ]
  const told = requestHeaders.filter((header) => header.part === part && header.state === 'used')
  return table(['Weir-', '', 'accepted', 'without it', 'effect'], told.map(row))
}

const withoutEffect = (): string => {
  const named = (state: RequestHeader['state']): string =>
    ticked(requestHeaders.flatMap((header) => (header.state === state ? [header.name] : [])))
  const only = (warning: string): string =>
    ticked(heliconeOnly.flatMap((header) => (header.warning === warning ? [header.name] : [])))
  return [
    `- Accepted, without effect yet, warning \`ignored\`: ${named('later')}.`,
    `- Refused as reserved, 400 \`reserved_header\`: ${named('reserved')}.`,
    `- \`Helicone-\` alone, without effect, warning \`ignored\`: ${only('ignored')}.`,
    `- \`Helicone-\` alone, and what they ask for is not done, warning \`guard-missing\`: ${only('guard-missing')}.`,
    ...Object.entries(heliconeAliases).map(([alias, name]) => `- \`Helicone-${alias}\` is \`Helicone-${name}\`.`),
  ].join('\n')
}

const answerTable = (): string =>
  table(
    ['header', 'Helicone-', 'on', 'value'],
    responseHeaders.map(({ name, weir, twin, on, value }) => [
      weir ? `\`Weir-${name}\`` : twin ? '' : ticked(name.split(', ')),
      twin ? (weir ? 'yes' : `\`Helicone-${name}\``) : '',
      on,
      value,
    ]),
  )

const keyOf = ({ keyHeader }: Provider): string =>
  keyHeader === null
    ? 'none'
    : keyHeader === 'authorization'
      ? '`Authorization: Bearer`'
      : `\`Authorization: Bearer\`, \`${keyHeader}\`${keyHeader === 'x-goog-api-key' ? ', `?key=`' : ''}`

const rootsOf = ({ roots }: Provider): string => {
  const root = roots['openai-chat']
  return root === undefined ? '' : `\`${root === '' ? '/' : root}\``
}

const providerTable = (): string =>
  table(
    ['path', 'origin', 'paths it takes as they are', '`/v1` stands for', 'key'],
    [...builtInProviders.values()].map((provider) => [
      ticked(
        [provider.name, ...provider.aliases].map(
          (name) => `/${name}${provider.segment === null ? '' : `/<${provider.segment}>`}`,
        ),
      ),
      `\`${provider.origin.replace('{segment}', `<${provider.segment ?? ''}>`)}\``,
      provider.prefixes.map(({ path, family }) => `\`${path}\` ${family}`).join(', '),
      rootsOf(provider),
      keyOf(provider),
    ]),
  )

const typeIn = (family: Family, code: ErrorCode): string => {
  const body = errorBody(family, { code, message: '', param: null, id: '' }) as { error: { type?: string; status?: string } }
  return body.error.type ?? body.error.status ?? ''
}

const bedrockTypeOf = (code: ErrorCode): string => {
  const headers = refusalHeaders('bedrock', new WeirError(code, ''))
  return headers[headers.indexOf('x-amzn-errortype') + 1] ?? ''
}

const errorTable = (): string => {
  const codes = Object.keys(errors) as ErrorCode[]
  const statuses = [...new Set(codes.map((code) => errors[code].status))]
  return table(
    ['status', 'code', 'OpenAI', 'Anthropic', 'Gemini', 'Bedrock'],
    statuses.map((status) => {
      const [first = 'internal', ...more] = codes.filter((code) => errors[code].status === status)
      return [
        String(status),
        ticked([first, ...more]),
        ...(['openai-chat', 'anthropic', 'gemini'] as const).map((family) => typeIn(family, first)),
        bedrockTypeOf(first),
      ]
    }),
  )
}

const regions: Readonly<Record<string, () => string>> = {
  providers: providerTable,
  identity: () => requestTable('identity'),
  routing: () => requestTable('routing'),
  cache: () => requestTable('cache'),
  retry: () => requestTable('retry'),
  limits: () => requestTable('limits'),
  recording: () => requestTable('recording'),
  'without effect': withoutEffect,
  answers: answerTable,
  errors: errorTable,
}

/**
 * docs/headers.md with its tables made anew from the code's own; the prose between them stays.
 *
 * @param page As it is.
 * @throws Error naming a table that has no place in it.
 */
export const headersPage = (page: string): string => withTables('headers.md', page, regions)
