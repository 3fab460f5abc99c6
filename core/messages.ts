/** One piece of a message. Data of pictures and sounds is never in here: `bytes` says how much there was. */
export type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'thinking'; readonly text: string; readonly redacted: boolean }
  | { readonly type: 'refusal'; readonly text: string }
  | { readonly type: 'tool_call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'tool_result'; readonly id: string; readonly name: string; readonly text: string; readonly error: boolean }
  | {
      readonly type: 'media'
      readonly kind: 'image' | 'audio' | 'video' | 'file'
      readonly mediaType: string
      readonly url: string | null
      readonly bytes: number | null
    }
  | { readonly type: 'other'; readonly label: string; readonly json: string }

export interface Message {
  /** `system`, `user`, `assistant`, `tool`; what else a provider says stays as it is. */
  readonly role: string
  readonly name: string | null
  readonly blocks: readonly Block[]
}

/** What was said in a call, in one form for all wire families. */
export interface Conversation {
  /** In order: the request's, then the answer's. */
  readonly messages: readonly Message[]
  /** Where in `messages` the answer begins; equal to their number when there is none. */
  readonly answerAt: number
  /** `request_unreadable`, `answer_unreadable`, `event_unreadable` ... each once. */
  readonly notes: readonly string[]
}

/** Bodies as decoded text; empty when there is none. */
export interface Spoken {
  readonly family: string
  readonly api: string
  readonly requestBody: string
  readonly responseBody: string
  /** Length of an answer that is no text, such as sound. */
  readonly binaryBytes?: number | null
  /** Whether a stream was asked for. The form of the answer is told by its text. */
  readonly streaming: boolean
}
