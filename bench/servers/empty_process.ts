/**
 * The least a handler can do, on whichever runtime runs this file: the ceiling that Penstock's
 * throughput is a share of. A POST is answered with 204 unread, a GET with 1 KB.
 */

interface Runtimes {
  readonly Deno?: {
    serve(
      options: {
        hostname: string;
        port: number;
        onListen: (address: { port: number }) => void;
      },
      handler: (request: Request) => Response,
    ): unknown;
  };
  readonly Bun?: {
    serve(
      options: { hostname: string; port: number; fetch: (request: Request) => Response },
    ): { readonly port: number };
  };
}

const page = new Uint8Array(1024).fill(120);
const headers = { "content-type": "application/octet-stream" };

function handle(request: Request): Response {
  return request.method === "GET"
    ? new Response(page, { headers })
    : new Response(null, { status: 204 });
}

const { Deno, Bun } = globalThis as Runtimes;
const hostname = "127.0.0.1";
if (Bun !== undefined) {
  console.log(Bun.serve({ hostname, port: 0, fetch: handle }).port);
} else {
  Deno?.serve({ hostname, port: 0, onListen: ({ port }) => console.log(port) }, handle);
}
