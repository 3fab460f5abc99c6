import { known } from './attributes.js'
import type { Resource } from './span.js'

/** Resources of spans, one object per proxy process: the exporter groups spans by the object, not by what is in it. */
export const resources = ({
  serviceName,
  version,
}: {
  serviceName: string
  version: string | null
}): ((writer: string) => Resource) => {
  const made = new Map<string, Resource>()
  const make = (writer: string): Resource => {
    const attributes = known({ 'service.name': serviceName, 'service.version': version, 'service.instance.id': writer })
    const resource: Resource = {
      attributes,
      merge: (other) => other ?? resource,
      getRawAttributes: () => Object.entries(attributes),
    }
    return resource
  }
  return (writer) => {
    const before = made.get(writer)
    if (before !== undefined) return before
    if (made.size >= 1000) made.clear() // writers are lives of a process: the old ones do not come back
    const resource = make(writer)
    made.set(writer, resource)
    return resource
  }
}
