/** Request bodies: read whole, and never more than allowed. */

export class BodyTooLarge extends Error {
  override name = "BodyTooLarge";
}

/** The client went away, or broke off, before its body was complete. Nothing of it counts. */
export class BodyBroken extends Error {
  override name = "BodyBroken";
}

const NOTHING = new Uint8Array(0);

/**
 * @param limit bytes
 * @throws BodyTooLarge as soon as that is known, BodyBroken
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared === "0") return NOTHING;
  // A length said twice ("5, 5") is the runtime's to judge: what it lets through is counted.
  if (declared !== null && /^\d+$/.test(declared)) {
    if (Number(declared) > limit) throw new BodyTooLarge();
    try {
      return new Uint8Array(await request.arrayBuffer());
    } catch (error) {
      throw new BodyBroken("the body ended early", { cause: error });
    }
  }
  if (request.body === null) return NOTHING;
  const coding = request.headers.get("transfer-encoding");
  if (coding !== null && coding.toLowerCase() !== "chunked") {
    throw new BodyBroken("chunked is the only transfer coding known here");
  }
  return await readChunks(request.body, limit);
}

async function readChunks(
  body: ReadableStream<Uint8Array>,
  limit: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  while (true) {
    let result;
    try {
      result = await reader.read();
    } catch (error) {
      throw new BodyBroken("the body ended early", { cause: error });
    }
    if (result.done) break;
    length += result.value.length;
    if (length > limit) {
      reader.cancel().catch(() => {});
      throw new BodyTooLarge();
    }
    chunks.push(result.value);
  }
  const whole = new Uint8Array(length);
  let filled = 0;
  for (const chunk of chunks) {
    whole.set(chunk, filled);
    filled += chunk.length;
  }
  return whole;
}
