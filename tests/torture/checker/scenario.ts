/**
 * Histories for the checker's own tests: what clients see of a server that does everything right,
 * until the test reaches into its streams or changes an answer.
 */
import {
  type Append,
  type Create,
  type Delete,
  type Head,
  HistoryRecorder,
  type Invocation,
  type Operation,
  type Producer,
  type Read,
  type Trim,
  type Unnumbered,
} from "../history.ts";
import { cutUp } from "../pieces.ts";
import { storedBytes, storedLength } from "../records.ts";

/** A stream on the server that the scenario imagines. */
export interface ScenarioStream {
  records: number[];
  /** Where it goes from the bytes of one stream to those of the next, if it is a fork. */
  readonly cuts: readonly number[];
  /** Records that a fork cut off, and how many bytes of each there are. */
  readonly cutOff: Map<number, number>;
  closed: boolean;
  /** How often its path was created. */
  readonly incarnation: number;
  readonly producers: Map<string, { epoch: number; seq: number }>;
}

export interface AppendOptions {
  readonly producer?: Producer;
  readonly streamSeq?: string;
  readonly closes?: boolean;
  /** One that was sent before. */
  readonly record?: number | null;
}

/** What is other than it should be. */
export type Twist<T> = Partial<Omit<T, "kind" | "id">>;

export class Scenario {
  readonly history = new HistoryRecorder();
  readonly streams = new Map<string, ScenarioStream>();
  /** Milliseconds; every request takes one, and there is one between two. */
  clock = 0;
  /** Of what was read last. */
  #pieces: number[] = [];
  readonly #created = new Map<string, number>();

  create(
    path: string,
    options: { ttlMs?: number; fork?: Create["fork"] } = {},
    twist: Twist<Create> = {},
  ): Create {
    const incarnation = (this.#created.get(path) ?? 0) + 1;
    this.#created.set(path, incarnation);
    const { ttlMs = null, fork = null } = options;
    this.streams.set(path, {
      ...this.#inherited(fork),
      closed: false,
      incarnation,
      producers: new Map(),
    });
    return this.#add<Create>({
      ...this.#common(path, 201),
      kind: "create",
      incarnation,
      json: false,
      record: null,
      ttlMs,
      fork,
      tail: fork?.position ?? 0,
      ...twist,
    });
  }

  append(
    path: string,
    options: AppendOptions = {},
    twist: Twist<Append> = {},
  ): Append {
    const { producer = null, streamSeq, closes = false } = options;
    const stream = this.streams.get(path)!;
    const record = options.record === undefined
      ? this.history.newRecord(path, 1, 20).id
      : options.record;
    const known = producer && stream.producers.get(producer.id);
    const duplicate = producer !== null && known?.epoch === producer.epoch &&
      producer.seq <= known.seq;
    if (!duplicate && twist.outcome !== "refused") {
      if (record !== null) stream.records.push(record);
      if (closes) stream.closed = true;
      if (producer !== null) stream.producers.set(producer.id, producer);
    }
    return this.#add<Append>({
      ...this.#common(path, producer !== null && !duplicate ? 200 : 204),
      kind: "append",
      record,
      producer,
      ...streamSeq === undefined ? {} : { streamSeq },
      closes,
      duplicate,
      tail: this.tailOf(path),
      closed: stream.closed,
      ...twist,
    });
  }

  read(
    path: string,
    options: { start?: number; mode?: Read["mode"]; follower?: string } = {},
    twist: Twist<Read> = {},
  ): Read {
    const { start = 0, mode = "catch-up", follower = null } = options;
    const { cuts, closed } = this.streams.get(path)!;
    const common = { ...this.#common(path, 200), kind: "read", mode, follower } as const;
    const range = { start, end: this.tailOf(path), upToDate: true, closed };
    const stored = this.#bytesOf(path).subarray(start);
    const reads = cutUp(cuts, range, stored).map((piece, at, pieces) =>
      this.#add<Read>({ ...common, ...piece, ...at === pieces.length - 1 ? twist : {} })
    );
    this.#pieces = reads.map((read) => read.id);
    return reads.at(-1)!;
  }

  head(path: string, twist: Twist<Head> = {}): Head {
    return this.#add<Head>({
      ...this.#common(path, 200),
      kind: "head",
      tail: this.tailOf(path),
      closed: this.streams.get(path)?.closed ?? false,
      ...twist,
    });
  }

  /** Drops what lies before a position. */
  trim(path: string, before: number, twist: Twist<Trim> = {}): Trim {
    return this.#add<Trim>({
      ...this.#common(path, 200),
      kind: "trim",
      before,
      earliest: before,
      ...twist,
    });
  }

  delete(path: string, twist: Twist<Delete> = {}): Delete {
    const { incarnation } = this.streams.get(path)!;
    return this.#add<Delete>({
      ...this.#common(path, 204),
      kind: "delete",
      incarnation,
      ...twist,
    });
  }

  /** Reads it in full, from two nodes. */
  settle(path: string): void {
    for (const node of [0, 1]) {
      this.read(path, {}, { node });
      this.history.settled.push({ path, reads: this.#pieces });
    }
  }

  tailOf(path: string): number {
    return this.#bytesOf(path).length;
  }

  lengthOf(record: number): number {
    return storedLength(this.history.records.get(record)!);
  }

  #bytesOf(path: string): Uint8Array {
    const { records, cutOff } = this.streams.get(path) ?? { records: [], cutOff: new Map() };
    const parts = records.map((record) =>
      storedBytes(this.history.records.get(record)!).subarray(0, cutOff.get(record))
    );
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  }

  #inherited(fork: Create["fork"]): Pick<ScenarioStream, "records" | "cuts" | "cutOff"> {
    if (fork === null) return { records: [], cuts: [], cutOff: new Map() };
    const { position } = fork;
    const source = this.streams.get(fork.source)!;
    const cutOff = new Map(source.cutOff);
    let at = 0;
    const records = source.records.filter((record) => {
      const start = at;
      at += source.cutOff.get(record) ?? this.lengthOf(record);
      if (start < position && position < at) cutOff.set(record, position - start);
      return start < position;
    });
    return { records, cuts: [...source.cuts.filter((cut) => cut < position), position], cutOff };
  }

  #common(path: string, status: number): Omit<Invocation, "id"> {
    this.clock += 2;
    return {
      client: "scenario",
      node: 0,
      path,
      invoked: this.clock - 1,
      completed: this.clock,
      outcome: "ok",
      status,
      reason: null,
      retryAfter: false,
    };
  }

  #add<T extends Operation>(operation: Omit<T, "id">): T {
    return this.history.add(operation as unknown as Unnumbered) as T;
  }
}

/** An answer that says no. */
export function refused(status: number, reason: string) {
  return { outcome: "refused", status, reason, tail: null, closed: false } as const;
}

/** No answer. */
export const UNKNOWN = {
  outcome: "unknown",
  status: null,
  reason: "no answer",
  tail: null,
  closed: false,
  duplicate: false,
} as const;
