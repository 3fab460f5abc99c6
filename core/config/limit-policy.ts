import { z } from 'zod'
import { parseLimitPolicies } from '../limit-policy.js'

/** One policy: its owner is found by its place in the file. */
export const limitPolicy = z.string().superRefine((text, context) => {
  const { policies, fault } = parseLimitPolicies(text)
  if (fault !== null) context.addIssue(`at character ${fault.at}: ${fault.message} Accepted form: 100;w=60;u=request;s=user`)
  else if (policies.length !== 1) context.addIssue('one policy stands here; write each as an entry of its own')
})
