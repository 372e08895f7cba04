/** Brings one stream of another server here, from where the last import of it ended. */
import { copyTogether } from "../lib/bytes.ts";
import type { Connection } from "./connection.ts";
import { ClientError, EXIT } from "./exit_codes.ts";
import type { ImportState, SourcePlace } from "./import_state.ts";
import { jsonArrayOf } from "./json_messages.ts";
import { isJson } from "./stream_metadata.ts";
import { readStream } from "./stream_reader.ts";

/** Appends are of about this size; a single message may be larger. Bytes. */
const BATCH_BYTES = 512 << 10;

export interface ImportOptions {
  readonly path: string;
  readonly from: { readonly connection: Connection; readonly url: URL };
  readonly to: { readonly connection: Connection; readonly url: URL };
  readonly state: ImportState;
  onAppended(bytes: number, messages: number): void;
}

/** A row of the table: the same place in the stream, as the other server and as this one names it. */
export interface OffsetPair {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly closed: boolean;
}

/** @throws ClientError, NetworkError. What was brought until then is kept, and the next run goes on. */
export async function importStream(options: ImportOptions): Promise<OffsetPair> {
  const { from, path } = options;
  const head = await from.connection.send({ method: "HEAD", url: from.url });
  await head.discard();
  const copy = new Copy(options, head.headers);
  const place = await copy.begin();
  let closed = false;
  let source = place.source;
  let [given, passedOver] = [0, place.given];
  for await (
    const event of readStream({ ...from, offset: source, follow: false })
  ) {
    if (event.kind === "page") {
      [source, given, passedOver] = [event.nextOffset, 0, 0];
      closed = event.closed;
      copy.reach({ source, given });
      continue;
    }
    const length = event.kind === "message" ? 1 : event.bytes.length;
    const skipped = Math.min(passedOver, length);
    passedOver -= skipped;
    given += length;
    if (skipped === length) continue;
    await copy.add(event.bytes.subarray(event.kind === "message" ? 0 : skipped), { source, given });
  }
  await copy.flush();
  if (closed) await copy.close();
  return { path, from: source, to: copy.target, closed };
}

class Copy {
  readonly #options: ImportOptions;
  readonly #source: Headers;
  readonly #json: boolean;
  #target = "";
  #at: SourcePlace = { source: "-1", given: 0 };
  #reached: SourcePlace = this.#at;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(options: ImportOptions, source: Headers) {
    this.#options = options;
    this.#source = source;
    this.#json = isJson(this.#contentType);
  }

  get target(): string {
    return this.#target;
  }

  get #contentType(): string {
    return this.#source.get("content-type") ?? "application/octet-stream";
  }

  /** Makes the copy, or finds how far it is. */
  async begin(): Promise<SourcePlace> {
    const { path, state, to } = this.#options;
    const before = state.get(path);
    if (before === undefined) return await this.#create();
    const answer = await to.connection.send({ method: "HEAD", url: to.url });
    await answer.discard();
    const now = nextOffsetOf(answer.headers);
    if (now !== before.target && before.pending === null) {
      throw new ClientError(
        EXIT.conflict,
        `${path} was written to by others since its last import`,
      );
    }
    this.#target = now;
    // An append of which the last run did not learn whether it arrived: the copy itself tells.
    this.#at = now === before.target ? before : before.pending!;
    this.#save(null);
    return this.#reached = this.#at;
  }

  async #create(): Promise<SourcePlace> {
    const { path, to } = this.#options;
    const headers: Record<string, string> = { "content-type": this.#contentType };
    for (const name of ["stream-ttl", "stream-expires-at"]) {
      const value = this.#source.get(name);
      if (value !== null) headers[name] = value;
    }
    const body = new Uint8Array(0);
    const answer = await to.connection.send({ method: "PUT", url: to.url, headers, body });
    await answer.discard();
    if (answer.status !== 201) {
      throw new ClientError(EXIT.conflict, `${path} exists here, and is not of this import`);
    }
    this.#target = nextOffsetOf(answer.headers);
    this.#save(null);
    return this.#at;
  }

  /** @param place where the source is with these bytes */
  async add(bytes: Uint8Array, place: SourcePlace): Promise<void> {
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > BATCH_BYTES) {
      await this.flush();
    }
    this.#waiting.push(bytes.slice());
    this.#waitingBytes += bytes.length;
    this.#reached = place;
  }

  /** Nothing more has to be added to be at this place of the source. */
  reach(place: SourcePlace): void {
    this.#reached = place;
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) {
      if (this.#reached === this.#at) return;
      this.#at = this.#reached;
      return this.#save(null);
    }
    const { to, onAppended } = this.#options;
    this.#save(this.#reached);
    const answer = await to.connection.send({
      method: "POST",
      url: to.url,
      headers: { "content-type": this.#contentType },
      body: this.#json ? jsonArrayOf(this.#waiting) : copyTogether(this.#waiting),
      repeatable: false,
    });
    await answer.discard();
    this.#target = nextOffsetOf(answer.headers);
    this.#at = this.#reached;
    this.#save(null);
    onAppended(this.#waitingBytes, this.#json ? this.#waiting.length : 0);
    [this.#waiting, this.#waitingBytes] = [[], 0];
  }

  async close(): Promise<void> {
    const { to } = this.#options;
    const headers = { "stream-closed": "true" };
    const body = new Uint8Array(0);
    await (await to.connection.send({ method: "POST", url: to.url, headers, body })).discard();
  }

  #save(pending: SourcePlace | null): void {
    const { path, state } = this.#options;
    const { source, given } = this.#at;
    state.set({ path, source, given, target: this.#target, pending });
  }
}

function nextOffsetOf(headers: Headers): string {
  const offset = headers.get("stream-next-offset");
  if (offset !== null) return offset;
  throw new ClientError(EXIT.failure, "the server that imports says no Stream-Next-Offset");
}
