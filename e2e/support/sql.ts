/** Asks a ClickHouse HTTP interface; the format is ours. */
export const asker =
  (url: string) =>
  async <T>(sql: string, params: Readonly<Record<string, string>> = {}): Promise<T[]> => {
    const asked = new URL(url)
    for (const [name, value] of Object.entries(params)) asked.searchParams.set(`param_${name}`, value)
    const body = `${sql}\nFORMAT JSONEachRow`
    const answer = await fetch(asked, { method: 'POST', body, signal: AbortSignal.timeout(60_000) })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`SQL: ${text}\n${sql}`)
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T)
  }
