import fc from 'fast-check'

// One seed for all property tests of a run, when WEIR_FUZZ_SEED gives it; else each picks its own and prints it when it fails.
const seed = Number(process.env.WEIR_FUZZ_SEED ?? '')
if (process.env.WEIR_FUZZ_SEED !== undefined && Number.isInteger(seed)) fc.configureGlobal({ seed })
