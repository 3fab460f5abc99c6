import type { Server } from 'node:http'

/** Closes a server and every connection to it, live streams included. */
export const shut = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
