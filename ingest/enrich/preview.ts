import type { Block, Conversation, Message } from '../../core/messages.js'

const maxChars = 300

const textOf = (block: Block): string => {
  switch (block.type) {
    case 'text':
    case 'refusal':
    case 'tool_result':
      return block.text
    case 'tool_call':
      return `${block.name}(${block.arguments})`
    case 'media':
      return `[${block.kind}]`
    case 'thinking':
    case 'other':
      return ''
  }
}

/** At most 300 characters, never half of one: a lone surrogate is no text, and the store refuses it. */
export const cut = (text: string): string => {
  if (text.length <= maxChars) return wellFormed(text)
  const last = text.charCodeAt(maxChars - 1)
  return wellFormed(text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars))
}

const surrogate = /[\uD800-\uDFFF]/

/** Text whose lone surrogates are replaced: JSON of a model may hold them, UTF-8 cannot. */
export const wellFormed = (text: string): string => (surrogate.test(text) ? Buffer.from(text).toString() : text)

const preview = (message: Message | undefined): string => {
  if (message === undefined) return ''
  let text = ''
  for (const block of message.blocks) {
    const piece = textOf(block)
    if (piece !== '') text += text === '' ? piece : `\n${piece}`
    if (text.length > maxChars) break
  }
  return cut(text)
}

/** What the last message of the user says, else of whoever spoke last before the answer. */
export const inputPreview = ({ messages, answerAt }: Conversation): string => {
  for (let at = answerAt - 1; at >= 0; at--) if (messages[at]?.role === 'user') return preview(messages[at])
  return preview(messages[answerAt - 1])
}

/** What the answer says; its tool calls where it says nothing. */
export const outputPreview = ({ messages, answerAt }: Conversation): string => {
  const answer = messages.slice(answerAt)
  const speaks = answer.find(({ blocks }) => blocks.some((block) => block.type === 'text' && block.text !== ''))
  return preview(speaks ?? answer.find(({ blocks }) => blocks.some((block) => textOf(block) !== '')))
}
