import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import { withoutBrackets, type Guard, type Reach } from './guard.js'

export interface Agents {
  /** @param servesOnce Its sockets are kept for nobody: what a caller's address sends unasked reaches no other call. */
  for(origin: string, reach: Reach, servesOnce: boolean): HttpAgent
  close(): void
}

export interface AgentRules {
  readonly guard: Guard
  /** Of the head of an answer; a longer one is none. */
  readonly headerBytes: number
}

/** Where Node takes a request over to a socket; its bound for the answer's head is read there, and set by no option of an agent. */
interface TakesRequests {
  addRequest(request: { maxHeaderSize?: number }, ...more: unknown[]): void
}

const watchedAgent = (
  { guard, headerBytes }: AgentRules,
  { reach, isTls, keepAlive }: { reach: Reach; isTls: boolean; keepAlive: boolean },
): HttpAgent => {
  const options = { keepAlive, maxSockets: Infinity, maxFreeSockets: 64, timeout: 4000 }
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options)
  const taking = agent as unknown as TakesRequests
  const addRequest = taking.addRequest.bind(agent)
  taking.addRequest = (request, ...more) => {
    request.maxHeaderSize = headerBytes
    addRequest(request, ...more)
  }
  const open = agent.createConnection.bind(agent)
  agent.createConnection = (asked, created) => {
    const watch = guard.watch(withoutBrackets(asked.host ?? 'localhost'), Number(asked.port ?? (isTls ? 443 : 80)), reach)
    const { refusal } = watch
    if (refusal !== null) {
      // Who gets no socket waits to be told so; the second argument is not looked at then.
      process.nextTick(() => created?.(refusal, undefined as never))
      return undefined
    }
    const socket = open({ ...asked, lookup: watch.lookup })
    if (socket) watch.verify(socket as Socket)
    return socket
  }
  return agent
}

/** Agents of the pass-through lane, unlimited in sockets: the default ones queue in silence beyond 256. */
export const guardedAgents = (rules: AgentRules): Agents => {
  const agents = new Map<string, HttpAgent>()
  return {
    for: (origin, reach, servesOnce) => {
      const isTls = origin.startsWith('https:')
      const key = `${isTls} ${reach} ${servesOnce}`
      let agent = agents.get(key)
      if (agent === undefined) {
        agent = watchedAgent(rules, { reach, isTls, keepAlive: !servesOnce })
        agents.set(key, agent)
      }
      return agent
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy()
    },
  }
}
