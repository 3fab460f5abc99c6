import { z } from 'zod'

/** How the cluster of KAFKA_BROKERS is used. */
export const kafka = z.strictObject({
  topic: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,200}$/, 'accepted form: letters, digits, ., _ and -, at most 200')
    .default('weir.exchanges.v1')
    .describe('Events go to it; what ingest could not take in goes to <topic>.dlq. Made if it is missing.'),
  maxMessageBytes: z
    .number()
    .int()
    .min(16_384, 'at least 16384')
    .max(8_388_608, 'at most 8388608')
    .default(1_000_000)
    .describe('Of one send, uncompressed; a longer event loses of its bodies.'),
  ssl: z
    .union([
      z.boolean(),
      z.strictObject({
        ca: z.string().optional().describe('File with the certificates that are trusted, in PEM.'),
        cert: z.string().optional().describe('File with our certificate, where the brokers ask for one.'),
        certKey: z.string().optional().describe('File with its private key.'),
      }),
    ])
    .default(false)
    .describe('TLS to the brokers.'),
  sasl: z
    .strictObject({
      mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
      username: z.string().min(1),
      password: z.string().min(1).describe('As ${NAME}.'),
    })
    .nullable()
    .default(null)
    .describe('Who we are for the brokers.'),
})
