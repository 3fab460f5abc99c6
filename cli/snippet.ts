import type { Addresses } from './house.js'

/** What a person reads once everything is up: where it is, and lines to paste. */
export const welcome = ({ proxy, web, sql }: Addresses): string => `\
  web    ${web}
${sql === null ? '' : `  sql    ${sql}\n`}
Keep your key and change the base URL:

  export OPENAI_BASE_URL=${proxy}/openai/v1
  export ANTHROPIC_BASE_URL=${proxy}/anthropic
  export GOOGLE_GEMINI_BASE_URL=${proxy}/gemini

or try it at once:

  curl ${proxy}/openai/v1/chat/completions \\
    -H "authorization: Bearer $OPENAI_API_KEY" -H "content-type: application/json" -H "weir-user-id: ada" \\
    -d '{"model":"gpt-5-mini","messages":[{"role":"user","content":"Hello"}]}'

Ctrl-C drains and stops.
`
