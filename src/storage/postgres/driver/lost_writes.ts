/**
 * Repairs connections of postgres.js that have lost a write. postgres.js 3.4.9 buffers what it has
 * to write, and sends it in the next turn of the event loop. When the connection is closed in
 * between, postgres.js keeps the buffer and still takes it for scheduled: it never sends anything
 * on the connection that it opens next.
 *
 * The repair closes a socket that is not written to at once, so that postgres.js opens another.
 * Each time it adds a greeting to its buffer, and at 1024 bytes it sends the buffer. Only the last
 * greeting of it is passed on to the server.
 */
import type { Socket } from "node:net";

const PROTOCOL_3 = 196608;
const TLS_REQUEST = 80877103;
/** postgres.js greets in the turn of the event loop in which it gets its socket. Milliseconds. */
const GREETING_MS = 50;

type Write = (...given: unknown[]) => boolean;

/** Closes the socket when it is not written to at once, and sends only the last greeting. */
export function repairLostWrites(socket: Socket): void {
  const write = socket.write as Write;
  const timer = setTimeout(() => socket.destroy(), GREETING_MS);
  socket.once("close", () => clearTimeout(timer));
  socket.write = ((bytes: Uint8Array, ...rest: unknown[]) => {
    clearTimeout(timer);
    socket.write = write as Socket["write"];
    return write.call(socket, lastGreeting(bytes), ...rest);
  }) as Socket["write"];
}

/** A greeting is a start-up message or a request for TLS; both begin with their own length. */
function lastGreeting(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = bytes.length - 8; at > 0; at--) {
    const code = view.getUint32(at + 4);
    const greets = code === PROTOCOL_3 || code === TLS_REQUEST;
    if (greets && view.getUint32(at) === bytes.length - at) return bytes.subarray(at);
  }
  return bytes;
}
