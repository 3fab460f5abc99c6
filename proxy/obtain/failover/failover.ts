import type { Send } from '../send.js'
import type { Obtain, Stage } from '../stage.js'
import { ChainRun, type ChainDeps } from './chain-run.js'

/** Tries again, and elsewhere, where a call asks for that (routing.md §2 to §5). */
export const failoverBy =
  (deps: ChainDeps, send: Send): Stage =>
  (next): Obtain =>
  (admitted, record, client) =>
    admitted.chain === null
      ? next(admitted, record, client)
      : new ChainRun(deps, send, admitted, admitted.chain, { record, client }).obtain()
