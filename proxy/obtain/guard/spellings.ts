const words = (text: string): string[] => text.trim().split(/\s+/)

const v4 = words(`
  127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7F.1 0x7f.0x0.0x0.0x1 0177.0.0.1 0177.1 017700000001 127.0.0.1.
  127.000.000.001 127.0.0.3 127.255.255.254 ①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 %31%32%37.0.0.1
  127%2e0%2e0%2e1 0 0.0.0.0 0x0 00 0.0.0.1 10.0.0.1 10.1 0xa.1 012.1 167772161 172.16.0.1 172.31.255.255 2886729729
  192.168.0.1 192.168.1 0xc0a80001 100.64.0.1 100.127.255.255 100.100.100.200 198.18.0.1 198.19.255.255 192.0.0.1
  192.0.0.170 192.0.2.1 192.88.99.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
  4294967295 169.254.169.254 2852039166 0251.0376.0251.0376 169.254.43518 169.16689662 169.254.170.2 ①⑥⑨.②⑤④.①⑥⑨.②⑤④
  0xa9fea9fe 0xa9.0xfe.0xa9.0xfe
`)
const v6 = words(`
  [::] [::1] [0:0:0:0:0:0:0:1] [0000::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:169.254.169.254] [::ffff:a9fe:a9fe]
  [::ffff:8.8.8.8] [::ffff:0:127.0.0.1] [::127.0.0.1] [::7f00:1] [::10.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::a9fe:a9fe]
  [64:ff9b:1::1] [2002:7f00:1::] [2002:a9fe:a9fe::1] [2002:c0a8:1::1] [2001::1] [2001:0:7f00:1::] [2001:db8::1]
  [2001:10::1] [2001:20::1] [2001:1ff:ffff::1] [3fff::1] [3fff:fff::1] [fc00::1] [fd00::1] [fd00:ec2::254] [fdff:ffff::1]
  [fe80::1] [febf::1] [fec0::1] [ff02::1] [ff0e::1] [100::1] [1fff::1] [4000::1] [5f00::1] [8000::1]
`)
const names = words(`
  localhost LOCALHOST localhost. ⓛocalhost %6cocalhost a.localhost a.b.localhost.
  localhost.localdomain metadata metadata.google.internal METADATA.google.internal. instance-data
  instance-data.ec2.internal kubernetes.default.svc.cluster.local host.docker.internal printer.local router.home.arpa db
`)
/** Of an attacker's own: they resolve to this machine. */
const resolved = words(`
  loopback.attacker.example mapped.attacker.example 127.0.0.1.attacker.example lоcalhost.attacker.example
`)

/** Addresses that are nobody's on the public Internet, in every spelling that URLs take. `%port` stands for a port that is listened on. */
export const forbidden: readonly string[] = [...v4, ...v6, ...names, ...resolved].map((host) => `http://${host}:%port`)

/** What is no address at all, or tries to look like another one. */
export const malformed: readonly string[] = [
  'http://me@127.0.0.1:%port',
  'http://public.example@127.0.0.1:%port',
  'http://public.example:80@127.0.0.1:%port',
  'http://@127.0.0.1:%port',
  'http://:@127.0.0.1:%port',
  'http://public.example%40127.0.0.1:%port',
  'http://public.example\\@127.0.0.1:%port',
  'http://public.example#@127.0.0.1:%port',
  'http://public.example?@127.0.0.1:%port',
  'http://127.0.0.1:%port#.public.example',
  'http://127.0.0.1:%port?.public.example',
  'http://127.0.0.1:%port/?key=1',
  'http://127.0.0.1:%port\\.public.example',
  'http://127.0.0.1%00.public.example:%port',
  'http://127.0.0.1 .public.example:%port',
  'http://127.0.0.1\t:%port',
  'http://[fe80::1%25eth0]:%port',
  'http://[fe80::1%eth0]:%port',
  'http://[::1:%port',
  'http://::1:%port',
  'http://127.0.0.1.1:%port',
  'http://256.0.0.1:%port',
  'http://0x7f.0.0.0x100:%port',
  'http://a..:%port',
  'http://127.0.0.1:99999',
  'file://127.0.0.1/etc/passwd',
  'ftp://127.0.0.1:%port',
  'gopher://127.0.0.1:%port',
  'ws://127.0.0.1:%port',
  'unix:/run/x',
  '//127.0.0.1:%port',
  '127.0.0.1:%port',
  'http:/127.0.0.1:%port',
  'http:127.0.0.1:%port',
  'http:\\\\127.0.0.1:%port',
  'http:///127.0.0.1:%port',
  'https://',
  'http://public.example:%port/v1/..%2f..%2fadmin',
  'http://public.example:%port/v1/%2e%2e%5cadmin',
  'http://:%port',
  'http://127.0.0.1:%port, http://public.example',
  'x',
]
