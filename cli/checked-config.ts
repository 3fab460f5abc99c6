import { loadConfig, type Config } from '../core/config.js'
import { ConfigError, type Env } from '../core/config/parse.js'
import { placeOfKey } from '../core/config/places.js'
import { presetFaults } from '../proxy/identify/preset-faults.js'

/**
 * Reads the environment and weir.yaml, and lets the readers of headers look at the headers it holds: who starts with it, or reloads it,
 * can be called with it.
 *
 * @throws ConfigError when anything is wrong, one fault a line.
 */
export const checkedConfig = (env: Env, cwd: string): Config => {
  const config = loadConfig(env, cwd)
  const faults = presetFaults(config)
  if (faults.length === 0) return config
  throw new ConfigError(
    faults
      .map(({ path, message }) => (config.file === null ? message : `${placeOfKey(config.file, path)}: ${message}`))
      .join('\n'),
  )
}
