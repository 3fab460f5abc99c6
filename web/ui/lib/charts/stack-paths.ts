import type uPlot from 'uplot'

/**
 * Draws a layer of stacked bars as the piece between the layer below and its own height. uPlot's own bars all begin at zero, so
 * that every lower layer shows through at the smoothed edges of the one before it.
 *
 * @param bases Where each bar begins; `null` = at zero.
 * @param step Width of a bucket, in units of x.
 */
export const stackPaths =
  (bases: readonly (number | null)[] | null, step: number): uPlot.Series.PathBuilder =>
  (plot, seriesIdx, idx0, idx1) => {
    const path = new Path2D()
    const xs = plot.data[0]
    const tops = plot.data[seriesIdx] ?? []
    for (let i = idx0; i <= idx1; i++) {
      const x = xs[i]
      const top = tops[i]
      if (x === undefined || top === null || top === undefined) continue
      const base = bases?.[i] ?? 0
      if (top <= base) continue
      const left = Math.round(plot.valToPos(x, 'x', true))
      const right = Math.round(plot.valToPos(x + step, 'x', true))
      const upper = Math.round(plot.valToPos(top, 'y', true))
      const lower = Math.round(plot.valToPos(base, 'y', true))
      const gap = right - left >= 6 ? Math.max(1, Math.round(devicePixelRatio)) : 0
      // What is there but too small to see still gets a pixel.
      path.rect(left, Math.min(upper, lower - 1), Math.max(right - left - gap, 1), Math.max(lower - upper, 1))
    }
    return { fill: path, flags: 1 }
  }
