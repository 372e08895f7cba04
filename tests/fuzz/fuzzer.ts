/** Runs cases against one server from several connections, and keeps what went wrong. */
import type { Abuse } from "./abuse.ts";
import { CONNECTION_ABUSES } from "./abuses/connections.ts";
import { FRAMING_ABUSES } from "./abuses/framing.ts";
import { HEAD_ABUSES } from "./abuses/heads.ts";
import { LEASE_ABUSES } from "./abuses/leases.ts";
import { Random } from "./random.ts";
import { describeRequest, encodeRequest, type FuzzRequest, isPlainHttp } from "./request.ts";
import { makeRequest } from "./requests.ts";
import { shrink } from "./shrink.ts";
import { faultOf } from "./verdict.ts";
import { Wire } from "./wire.ts";

const ABUSES: readonly Abuse[] = [
  ...FRAMING_ABUSES,
  ...HEAD_ABUSES,
  ...CONNECTION_ABUSES,
  ...LEASE_ABUSES,
];

/** Cases at once, each on a connection of its own. */
const WORKERS = 24;
const ABUSIVE = 0.08;
/** More than this is one bug, over and over. */
const MOST_FAILURES = 10;

export interface FuzzerOptions {
  readonly port: number;
  readonly pipelines: boolean;
  /** The server has been given next to no room: whole requests only, and 503 is an answer. */
  readonly pressed?: boolean;
}

export interface Failure {
  /** `--seed` and `--from` repeat it. */
  readonly index: number;
  readonly what: string;
  readonly fault: string;
}

export interface Tally {
  requests: number;
  /** By status, or what came in place of an answer. */
  readonly outcomes: Map<string, number>;
  readonly failures: Failure[];
}

export class Fuzzer {
  readonly tally: Tally = { requests: 0, outcomes: new Map(), failures: [] };
  readonly #port: number;
  readonly #pipelines: boolean;
  readonly #pressed: boolean;
  readonly #seed: number;
  #next: number;

  constructor(
    { port, pipelines, pressed = false }: FuzzerOptions,
    seed: number,
    from = 0,
  ) {
    this.#port = port;
    this.#pipelines = pipelines;
    this.#pressed = pressed;
    this.#seed = seed;
    this.#next = from;
  }

  /** Goes on until so many requests have been made in all, or too much has failed. */
  async run(requests: number): Promise<void> {
    const worker = async () => {
      const structured = new Structured(this.#port, this.#pressed);
      try {
        while (this.tally.requests < requests && this.tally.failures.length < MOST_FAILURES) {
          await this.#case(this.#next++, structured);
        }
      } finally {
        structured.close();
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
  }

  async #case(index: number, structured: Structured): Promise<void> {
    const random = new Random(this.#seed, index);
    if (!random.chance(ABUSIVE) || this.#pressed) {
      const request = makeRequest(random);
      this.tally.requests++;
      const { outcome, fault } = await structured.send(request);
      this.#count(outcome);
      if (fault === undefined) return;
      const smallest = await shrink(
        request,
        fault,
        async (candidate) => (await structured.send(candidate)).fault,
      );
      this.#fail(index, describeRequest(smallest), fault);
      return;
    }
    const abuse = random.weighted(ABUSES.map((each) => [each.weight, each] as const));
    try {
      const made = await abuse.run({
        port: this.#port,
        random,
        pipelines: this.#pipelines,
      });
      this.tally.requests += made;
      this.#count("abuse");
    } catch (error) {
      this.tally.requests++;
      this.#fail(index, abuse.name, String(error));
    }
  }

  #count(outcome: string): void {
    const { outcomes } = this.tally;
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }

  #fail(index: number, what: string, fault: string): void {
    this.tally.failures.push({ index, what, fault });
  }
}

/** Whole requests over one connection that is kept alive for as long as the server likes. */
class Structured {
  readonly #port: number;
  readonly #mayBeOverloaded: boolean;
  #wire: Wire | undefined;

  constructor(port: number, mayBeOverloaded: boolean) {
    this.#port = port;
    this.#mayBeOverloaded = mayBeOverloaded;
  }

  async send(request: FuzzRequest): Promise<{ outcome: string; fault?: string }> {
    try {
      const used = this.#wire !== undefined && !this.#wire.ended;
      const sent = await this.#sendOnce(request);
      // A connection that lay idle may be closed at any time: that is no fault.
      return sent.outcome === "closed" && used ? await this.#sendOnce(request) : sent;
    } catch (error) {
      this.close();
      return { outcome: "fault", fault: String(error) };
    }
  }

  close(): void {
    this.#wire?.destroy();
    this.#wire = undefined;
  }

  async #sendOnce(request: FuzzRequest): Promise<{ outcome: string; fault?: string }> {
    if (this.#wire === undefined || this.#wire.ended) this.#wire = await Wire.open(this.#port);
    const wire = this.#wire;
    const { method, target } = request;
    const ours = isPlainHttp(request);
    await wire.write(encodeRequest(request));
    const reply = await wire.read({ method, headOnly: target.includes("live=sse") });
    if (reply.kind !== "answer") {
      this.close();
      const faulty = ours || reply.kind === "silence";
      return faulty
        ? { outcome: reply.kind, fault: `${reply.kind} in place of an answer` }
        : { outcome: reply.kind };
    }
    const { answer } = reply;
    if (!answer.whole || answer.headers.get("connection") === "close") this.close();
    const fault = faultOf(answer, {
      method,
      ours,
      mayBeOverloaded: this.#mayBeOverloaded,
    });
    return { outcome: String(answer.status), ...fault === undefined ? {} : { fault } };
  }
}
