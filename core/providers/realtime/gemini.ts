import type { AnswerError } from '../../exchange.js'
import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, textAt, type JsonObject } from '../json-text.js'
import { noSteps, Turn, type SessionFacts, type SessionReader, type Step } from './session.js'

/** What a message has beside sound. None of it can stand inside base64. */
const markers = [
  '"usageMetadata"',
  '"turnComplete"',
  '"text"',
  '"toolCall"',
  '"interrupted"',
  '"generationComplete"',
  '"groundingMetadata"',
  '"functionCall"',
  '"executableCode"',
  '"error"',
]
const sound = '"inlineData"'

const modelIn = (name: string | null): string | null => (name === null ? null : name.replace(/^(?:.*\/)?models\//, ''))

/**
 * Gemini Live, at Google AI and Vertex. A turn begins with what the model says first and is paid for by its own `usageMetadata`, the
 * whole context once more (per turn, not grown over the session). Its usage comes with `turnComplete`, or in a message behind it; a tool
 * call that tells usage is a turn of its own, one that tells none belongs to the turn that goes on behind the tool's result.
 */
export class GeminiSession implements SessionReader {
  #requestModel: string | null
  #id: string | null = null
  #error: AnswerError | null = null
  #events = 0
  #malformed = false
  #hasAnswered = false
  #turn: Turn | null = null
  #usage: JsonObject | null = null
  #searches = 0

  /** @param requestModel As the URL named it, which it seldom does. */
  constructor(requestModel: string | null) {
    this.#requestModel = requestModel
  }

  client(data: string): void {
    if (this.#requestModel !== null || !data.includes('"setup"')) return
    const value = parsed(data)
    this.#requestModel = modelIn(textAt(objectAt(value, 'setup'), 'model'))
  }

  server(data: string): readonly Step[] {
    this.#events++
    if (data.includes(sound) && !markers.some((marker) => data.includes(marker))) {
      const steps = this.#isOver ? [this.#end()] : []
      const turn = this.#going()
      turn.heard()
      return [...steps, { turn, ended: false }]
    }
    const value = parsed(data)
    if (isObject(value)) return this.#message(value)
    this.#malformed = true
    return noSteps
  }

  open(): Iterable<Turn> {
    return this.#turn === null ? [] : [this.#turn]
  }

  facts(): SessionFacts {
    return {
      id: this.#id,
      model: this.#requestModel,
      error: this.#error,
      events: this.#events,
      notes: this.#malformed ? ['malformed'] : [],
    }
  }

  /** The turn was said to be complete, without its usage. */
  get #isOver(): boolean {
    return this.#turn?.seen.terminal === true
  }

  #going(): Turn {
    if (this.#turn === null) {
      this.#turn = new Turn('realtime', this.#requestModel, this.#hasAnswered)
      this.#hasAnswered = true
      this.#usage = null
      this.#searches = 0
      this.#error = null
    }
    this.#turn.seen.events++
    return this.#turn
  }

  #end(): Step {
    const turn = this.#turn as Turn
    this.#turn = null
    return { turn, ended: true }
  }

  #message(value: JsonObject): readonly Step[] {
    const steps: Step[] = []
    this.#id = textAt(objectAt(value, 'setupComplete'), 'sessionId') ?? this.#id
    if (value.error !== undefined) this.#error = errorIn('gemini', 200, value) ?? this.#error
    const content = objectAt(value, 'serverContent')
    const toolCall = objectAt(value, 'toolCall')
    const usage = objectAt(value, 'usageMetadata')
    const says =
      toolCall !== null ||
      content?.modelTurn !== undefined ||
      content?.outputTranscription !== undefined ||
      content?.generationComplete === true
    const completes = content?.turnComplete === true
    if (says && this.#isOver) steps.push(this.#end())
    // The end of a turn that said nothing and told no usage, as after an interruption, is nothing that is paid for.
    if (!says && usage === null && (this.#turn === null || content === null)) return steps
    const turn = this.#going()
    const { seen } = turn
    seen.id(textAt(value, 'responseId'))
    seen.model(textAt(value, 'modelVersion'))
    if (content !== null) this.#content(content, turn)
    for (const call of listAt(toolCall, 'functionCalls')) {
      seen.called()
      seen.delivered(JSON.stringify(objectAt(call, 'args') ?? {}).length)
    }
    if (usage !== null) {
      // Within a turn the last value of each field wins.
      this.#usage = { ...this.#usage, ...usage }
      seen.raw('usageMetadata', this.#usage)
    }
    if (completes) {
      seen.finished(textAt(content, 'turnCompleteReason') ?? seen.finishReason ?? 'STOP')
      seen.terminal = true
    } else if (toolCall !== null && usage !== null) {
      seen.finished('tool_call')
      seen.terminal = true
    } else if (usage !== null && !says && content === null && !seen.content) {
      // Usage alone, of nothing that was said: it is paid for all the same.
      seen.terminal = true
    }
    if (seen.terminal && this.#usage !== null) steps.push(this.#end())
    else steps.push({ turn, ended: false })
    return steps
  }

  #content(content: JsonObject, turn: Turn): void {
    const { seen } = turn
    if (content.interrupted === true) seen.finished('interrupted')
    seen.delivered(textAt(objectAt(content, 'outputTranscription'), 'text')?.length ?? 0)
    for (const part of listAt(objectAt(content, 'modelTurn'), 'parts')) {
      seen.delivered(textAt(part, 'text')?.length ?? 0)
      seen.delivered(textAt(objectAt(part, 'executableCode'), 'code')?.length ?? 0)
      if (objectAt(part, 'functionCall') !== null) seen.called()
      if (objectAt(part, 'inlineData') !== null) turn.heard()
    }
    const queries = listAt(objectAt(content, 'groundingMetadata'), 'webSearchQueries').length
    if (queries > this.#searches) {
      this.#searches = queries
      seen.raw('grounding', { webSearchQueries: queries })
    }
  }
}
