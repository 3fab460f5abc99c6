/** A table in Markdown. Bars in cells are escaped. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

/**
 * A page of docs/ with its tables made anew from the code's own; the prose between them stays.
 *
 * @param file Its name, for the error.
 * @param page As it is.
 * @param regions What is made, by the name that stands in the comments around it.
 * @throws Error naming a table that has no place in it.
 */
export const withTables = (file: string, page: string, regions: Readonly<Record<string, () => string>>): string =>
  Object.entries(regions).reduce((text, [name, made]) => {
    const begin = `<!-- ${name}: made by \`npm run docs\` -->\n`
    const end = `<!-- end of ${name} -->`
    const from = text.indexOf(begin)
    const to = text.indexOf(end)
    if (from < 0 || to < from) throw new Error(`docs/${file} has no place for the table "${name}": ${begin}${end}`)
    return `${text.slice(0, from + begin.length)}\n<!-- prettier-ignore -->\n${made()}\n\n${text.slice(to)}`
  }, page)
