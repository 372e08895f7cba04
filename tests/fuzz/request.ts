/** A request as the fuzzer holds it, and as it goes over the wire. */

export interface FuzzRequest {
  readonly method: string;
  readonly target: string;
  /** Without framing: that is added when it is encoded. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | null;
  /** Sizes of the chunks it is sent in; null: with a Content-Length. */
  readonly chunks: readonly number[] | null;
}

/** One character a byte. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

export function encodeRequest(request: FuzzRequest): Uint8Array {
  const { method, target, headers, body, chunks } = request;
  const lines = [`${method} ${target} HTTP/1.1`, "Host: localhost"];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (body !== null) {
    lines.push(chunks === null ? `Content-Length: ${body.length}` : "Transfer-Encoding: chunked");
  }
  const head = latin1(lines.join("\r\n") + "\r\n\r\n");
  if (body === null) return head;
  return Buffer.concat([head, chunks === null ? body : encodeChunks(body, chunks)]);
}

export function encodeChunks(body: Uint8Array, sizes: readonly number[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let turn = 0; at < body.length; turn++) {
    const chunk = body.subarray(at, at + Math.max(1, sizes[turn % sizes.length] ?? body.length));
    parts.push(latin1(chunk.length.toString(16) + "\r\n"), chunk, latin1("\r\n"));
    at += chunk.length;
  }
  return Buffer.concat([...parts, latin1("0\r\n\r\n")]);
}

/**
 * Whether every HTTP implementation agrees that this is a request, so that Penstock itself, and not
 * the runtime before it, owes the answer.
 */
export function isPlainHttp({ method, target, headers }: FuzzRequest): boolean {
  const head = target.length +
    headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  return /^[A-Z]{1,16}$/.test(method) && method !== "CONNECT" &&
    /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*$/.test(target) &&
    head < 8000 && headers.length < 60;
}

/** For a person who wants to send it again. */
export function describeRequest(request: FuzzRequest): string {
  const encoded = Buffer.from(encodeRequest(request)).toString("latin1");
  return escaped(encoded.length > 4000 ? encoded.slice(0, 4000) + "…" : encoded);
}

export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
