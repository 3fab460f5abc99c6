import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Socket } from 'node:net'
import { withoutBrackets, type Guard, type Reach } from './guard.js'

export interface Agents {
  /** @param servesOnce Its sockets are kept for nobody: what a caller's address sends unasked reaches no other call. */
  for(origin: string, reach: Reach, servesOnce: boolean): HttpAgent
  close(): void
}

const watchedAgent = (guard: Guard, reach: Reach, isTls: boolean, keepAlive: boolean): HttpAgent => {
  const options = { keepAlive, maxSockets: Infinity, maxFreeSockets: 64, timeout: 4000 }
  const agent = isTls ? new HttpsAgent(options) : new HttpAgent(options)
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
export const guardedAgents = (guard: Guard): Agents => {
  const agents = new Map<string, HttpAgent>()
  return {
    for: (origin, reach, servesOnce) => {
      const isTls = origin.startsWith('https:')
      const key = `${isTls} ${reach} ${servesOnce}`
      let agent = agents.get(key)
      if (agent === undefined) {
        agent = watchedAgent(guard, reach, isTls, !servesOnce)
        agents.set(key, agent)
      }
      return agent
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy()
    },
  }
}
