// Finds a free port for a server that is started a moment later.
import { createServer } from "node:net";

// Below what kernels hand out for outgoing connections (32768 on) and below NodePorts (30000 on): nothing takes it in between.
const lowest = 20_000;
const highest = 29_999;

/** A TCP port on `address` that nobody listens on. */
export async function pickPort(address: string): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    if (await isFree(address, port)) return port;
  }
}

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}
