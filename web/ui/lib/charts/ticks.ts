const two = (n: number): string => String(n).padStart(2, '0')
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/**
 * Labels of a time axis: seconds only where the steps are seconds, the day where a new one begins.
 *
 * @param splits Seconds since 1970, as uPlot counts.
 * @param step Seconds between two of them.
 */
export const timeTicks = (splits: readonly number[], step: number): readonly string[] => {
  let before = ''
  return splits.map((at) => {
    const date = new Date(at * 1000)
    const day = `${date.getDate()} ${months[date.getMonth()] ?? ''}`
    const first = day !== before && before !== ''
    before = day
    if (step >= 86_400 || (first && date.getHours() === 0 && date.getMinutes() === 0)) return day
    const clock = `${two(date.getHours())}:${two(date.getMinutes())}`
    return step < 60 ? `${clock}:${two(date.getSeconds())}` : clock
  })
}
