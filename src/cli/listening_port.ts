/** Whether the address to listen on can be had, asked before anything else is begun. */
import { createServer } from "node:net";

/**
 * The port, or a free one for 0, when nobody listens there. Another program can
 * still take it before this one listens.
 * @throws Error that names the address
 */
export function claimPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      reject(new Error(`cannot listen on ${host} port ${port}: ${reasonOf(error)}`));
    });
    server.listen(port, host, () => {
      const address = server.address();
      const free = address !== null && typeof address === "object" ? address.port : port;
      server.close(() => resolve(free));
    });
  });
}

function reasonOf(error: Error): string {
  switch ((error as { code?: string }).code) {
    case "EADDRINUSE":
      return "it is in use by another program (--port names another port, 0 takes a free one)";
    case "EADDRNOTAVAIL":
      return "this machine does not have that address";
    case "EACCES":
      return "this user may not; ports below 1024 are kept for root";
    default:
      return error.message;
  }
}
