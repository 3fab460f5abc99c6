const separator = String.raw`(?:[/\\]|%2f|%5c)`
const dots = new RegExp(`(?:^|${separator})(?:\\.|%2e){1,2}(?:${separator}|$)`, 'i')

/** Whether somebody who resolves or decodes a path would come out of the folder it is in. */
export const hasDotSegments = (path: string): boolean => dots.test(path)
