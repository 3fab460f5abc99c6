import { lookup, type LookupAddress, type LookupAllOptions } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { isPrivateAddress, isPublicAddress } from './public-address.js'

/** How names are resolved, and what addresses are. Tests have one of their own; no configuration reaches it. */
export interface Network {
  lookup(
    host: string,
    options: LookupAllOptions,
    done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
  ): void
  isPublic(address: string): boolean
  isPrivate(address: string): boolean
  /** Whether a connection to it ends at this machine. */
  isOwn(address: string): boolean
}

const isOwn = (address: string): boolean => {
  const family = isIP(address)
  if (family === 0) return false
  const own = new BlockList()
  own.addSubnet('127.0.0.0', 8, 'ipv4')
  own.addAddress('0.0.0.0', 'ipv4')
  own.addSubnet('::', 127, 'ipv6')
  for (const { address: each } of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
    own.addAddress(each, each.includes(':') ? 'ipv6' : 'ipv4')
  return own.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** The one this machine is in. */
export const thisNetwork: Network = { lookup, isPublic: isPublicAddress, isPrivate: isPrivateAddress, isOwn }
