import { expect, test } from 'vitest'
import { redisFault } from './redis-fault.js'

test.each(['Protocol error, got "H" as reply type byte. Please report this.', 'Unknown RESP type 72 "H". Please report this.'])(
  'an answer of something else is told as such, whichever way the client puts it: %s',
  (said) => expect(redisFault(new Error(said), 'redis://127.0.0.1:80')).toContain('what answers is no Redis'),
)
