/** Creations and appends of a tenant that has a quota: what would go beyond it is refused. */
import type { Namespace } from "../access/namespaces.ts";
import { type Amount, NOTHING, type Quotas, type Reservation } from "../access/quotas.ts";
import { type AccessRefusal, type Refusal, Refused } from "../errors.ts";
import type { AppendRequest } from "../streams/append/decide.ts";
import type { AppendOutcome } from "../streams/append/waiting_append.ts";
import type { CreateOutcome, CreateRequest } from "../streams/lifecycle/create.ts";
import type { Streams } from "../streams/streams.ts";

/** What of streams is written to. */
export type WrittenStreams = Pick<Streams, "append" | "create">;

export interface QuotaStreamsParts {
  readonly streams: Pick<Streams, "append" | "create" | "inspect">;
  readonly quotas: Quotas;
  readonly tenant: Namespace;
  readonly onRefused: (refusal: Refusal) => void;
}

export class QuotaStreams implements WrittenStreams {
  readonly #parts: QuotaStreamsParts;

  constructor(parts: QuotaStreamsParts) {
    this.#parts = parts;
  }

  /** What is appended counts by its body: what is stored of it is as long, or a little more or less. */
  async append(path: string, request: AppendRequest): Promise<AppendOutcome> {
    const { streams } = this.#parts;
    const wanted = { streams: 0, bytes: request.body.length };
    // A close alone takes nothing.
    if (wanted.bytes === 0) return await streams.append(path, request);
    const room = await this.#reserve(wanted);
    if ("kind" in room) return this.#refuse(room);
    return await settled(room, wanted, {
      run: () => streams.append(path, request),
      stores: (outcome) => outcome.kind === "appended" && !outcome.duplicate,
    });
  }

  async create(request: CreateRequest): Promise<CreateOutcome> {
    const { streams } = this.#parts;
    const wanted = { streams: 1, bytes: request.body.length };
    const room = await this.#reserve(wanted);
    if ("kind" in room) {
      // A PUT of a stream that is there takes nothing.
      return await this.#exists(request.path) ? await streams.create(request) : this.#refuse(room);
    }
    return await settled(room, wanted, {
      run: () => streams.create(request),
      stores: (outcome) => outcome.kind === "created",
    });
  }

  async #reserve(wanted: Amount): Promise<Reservation | AccessRefusal> {
    const { quotas, tenant } = this.#parts;
    return await quotas.reserve(tenant, wanted);
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await this.#parts.streams.inspect(path);
      return true;
    } catch (error) {
      if (error instanceof Refused) return false;
      throw error;
    }
  }

  #refuse(refusal: AccessRefusal): AccessRefusal {
    this.#parts.onRefused(refusal);
    return refusal;
  }
}

/** Runs a write, and gives back what it did not store. Of one that failed, all may be stored. */
async function settled<T>(
  room: Reservation,
  wanted: Amount,
  { run, stores }: { readonly run: () => Promise<T>; readonly stores: (outcome: T) => boolean },
): Promise<T> {
  let stored = wanted;
  try {
    const outcome = await run();
    if (!stores(outcome)) stored = NOTHING;
    return outcome;
  } finally {
    room.settle(stored);
  }
}
