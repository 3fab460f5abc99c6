/**
 * One call through the proxy to the fake provider, as a newcomer would make it.
 *
 * @returns The id of its row.
 */
export const demoCall = async (proxyUrl: string): Promise<{ readonly id: string }> => {
  const answer = await fetch(`${proxyUrl}/openai/v1/chat/completions`, {
    method: 'POST',
    signal: AbortSignal.timeout(10_000),
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer demo',
      'weir-user-id': 'you',
      'weir-session-id': `hello-${Date.now()}`,
      'weir-session-name': 'First call',
      'weir-property-feature': 'quickstart',
    },
    body: JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: 'Say hello to Weir.' }] }),
  })
  await answer.arrayBuffer()
  const id = answer.headers.get('weir-id')
  if (!answer.ok || id === null) throw new Error(`The demo call was answered ${answer.status}.`)
  return { id }
}
