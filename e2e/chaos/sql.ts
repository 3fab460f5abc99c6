/** Asks a ClickHouse HTTP interface; the format is ours. */
export const asker =
  (url: string) =>
  async <T>(sql: string): Promise<T[]> => {
    const answer = await fetch(url, { method: 'POST', body: `${sql}\nFORMAT JSONEachRow`, signal: AbortSignal.timeout(60_000) })
    const body = await answer.text()
    if (!answer.ok) throw new Error(`SQL: ${body}\n${sql}`)
    return body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T)
  }
