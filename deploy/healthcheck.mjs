// `node healthcheck.mjs http://127.0.0.1:8787/readyz`: exit code 0 when the address answers 2xx within 4 s, else 1 and the reason.
const [address = ''] = process.argv.slice(2)
try {
  const { ok, status } = await fetch(address, { signal: AbortSignal.timeout(4000) })
  if (!ok) throw new Error(`status ${status}`)
} catch (cause) {
  console.error(`${address}: ${cause.message}`)
  process.exitCode = 1
}
