/** Facts of calls by their number, in memory of so many bytes a call. */
export interface Facts {
  readonly bytes: Buffer
  /** Where the facts of a call begin; room is made for it. */
  at(n: number): number
}

export const createFacts = (perCall: number): Facts => {
  let bytes = Buffer.alloc(perCall * 65_536)
  return {
    get bytes() {
      return bytes
    },
    at(n) {
      if ((n + 1) * perCall > bytes.length) {
        const larger = Buffer.alloc(Math.max(bytes.length * 2, (n + 1) * perCall))
        bytes.copy(larger)
        bytes = larger
      }
      return n * perCall
    },
  }
}
