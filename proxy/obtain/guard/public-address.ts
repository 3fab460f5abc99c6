import { BlockList, isIP } from 'node:net'

type Subnets = readonly (readonly [string, number])[]

/** Networks of somebody's own: the name of a provider leads there only where weir.yaml says so. */
const private4: Subnets = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
]
const private6: Subnets = [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 9],
]

/** What else is not the public Internet (security.md §3). */
const special4: Subnets = [
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
/** All but 2000::/3, and of that what holds IPv4 addresses (Teredo, 6to4) or stands in books. Mapped addresses and NAT64 lie in ::/3. */
const special6: Subnets = [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

/** Whether an address is on a list; what is no address is on every one. */
type Listed = (address: string) => boolean

/** One list for each family: asked for an IPv4 address, a list with ::/3 on it would find its mapped form there. */
const listed = (subnets4: Subnets, subnets6: Subnets): Listed => {
  const list4 = new BlockList()
  const list6 = new BlockList()
  for (const [net, bits] of subnets4) list4.addSubnet(net, bits, 'ipv4')
  for (const [net, bits] of subnets6) list6.addSubnet(net, bits, 'ipv6')
  return (address) => {
    const bare = address.replace(/%.*$/s, '')
    const family = isIP(bare)
    if (family === 0) return true
    return family === 4 ? list4.check(bare, 'ipv4') : list6.check(bare, 'ipv6') || list4.check(bare, 'ipv6')
  }
}

const isBlocked = listed([...private4, ...special4], [...private6, ...special6])

/** Whether an address lies in a network of somebody's own. What is no address counts as one that does. */
export const isPrivateAddress: Listed = listed(private4, private6)

/** Whether an address is one of the public Internet. What is no address is not. */
export const isPublicAddress: Listed = (address) => !isBlocked(address)
