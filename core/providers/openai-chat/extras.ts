import { objectAt, type JsonObject } from '../json-text.js'
import { counted } from '../usage-fields.js'

/** Items of a Responses answer, as the reader counted them, and what each is called in `extra`. Those the client runs itself cost nothing. */
const toolItems: ReadonlyMap<string, string> = new Map([
  ['web_search_call', 'web_search_requests'],
  ['file_search_call', 'file_search_calls'],
  ['code_interpreter_call', 'code_interpreter_calls'],
  ['containers', 'containers'],
  ['mcp_call', 'mcp_calls'],
  ['x_search_call', 'x_search_calls'],
  ['image_generation_call', 'image_generation_calls'],
  ['document_search_call', 'document_search_calls'],
])

/** xAI's `server_side_tool_usage_details`. */
const serverTools: ReadonlyMap<string, string> = new Map([
  ['web_search_calls', 'web_search_requests'],
  ['x_search_calls', 'x_search_calls'],
  ['code_interpreter_calls', 'code_interpreter_calls'],
  ['file_search_calls', 'file_search_calls'],
  ['mcp_calls', 'mcp_calls'],
  ['document_search_calls', 'document_search_calls'],
  ['image_generation_calls', 'image_generation_calls'],
])

const renamed = (
  extra: Record<string, number>,
  told: JsonObject | null | undefined,
  names: ReadonlyMap<string, string>,
): void => {
  for (const [key, value] of Object.entries(told ?? {})) {
    const name = names.get(key)
    if (name !== undefined) counted(extra, name, value)
  }
}

/**
 * What a call used besides tokens: searches, tool calls, seconds, pages.
 *
 * @param tools Items the reader of a Responses answer counted.
 * @param transcript What a verbose transcript tells beside its usage.
 */
export const extrasOf = (
  usage: JsonObject,
  tools: JsonObject | undefined,
  transcript: JsonObject | undefined,
): Record<string, number> => {
  const extra: Record<string, number> = {}
  renamed(extra, tools, toolItems)
  renamed(extra, objectAt(usage, 'server_side_tool_usage_details'), serverTools)
  const server = objectAt(usage, 'server_tool_use_details') ?? objectAt(usage, 'server_tool_use')
  counted(extra, 'web_search_requests', server?.web_search_requests)
  counted(extra, 'web_fetch_requests', server?.web_fetch_requests)
  // The seconds that are billed are rounded; those of the transcript stand in where usage tells none.
  counted(extra, 'audio_seconds', transcript?.duration)
  counted(extra, 'audio_seconds', usage.prompt_audio_seconds)
  if (usage.type === 'duration') counted(extra, 'audio_seconds', usage.seconds)
  counted(extra, 'pages', usage.pages_processed)
  counted(extra, 'annotated_pages', usage.pages_processed_annotation)
  counted(extra, 'search_units', objectAt(usage, 'billed_units')?.search_units ?? usage.search_units)
  // Perplexity's searches have a price of their own only in its deep research; xAI's sources had one until it counted tools.
  counted(extra, 'search_queries', usage.num_search_queries)
  counted(extra, 'citation_tokens', usage.citation_tokens)
  counted(extra, 'sources_used', usage.num_sources_used)
  return extra
}
