/**
 * Decides which appends may wait on this node: so many, and so many bytes of bodies. Large appends
 * leave a part of the bytes to small ones, and one stream leaves a part to the others, so that
 * neither one client with large bodies nor one busy stream keeps everything else out.
 */
import { ByteBudget } from "../../lib/byte_budget.ts";
import { measurements } from "../../lib/telemetry/measurements.ts";
import { WAITING } from "../../limits.ts";

/** An append up to this length is small, and so is a queue whose appends together are. Bytes. */
export const SMALL_BYTES = 64 << 10;
/** The part of the bytes that large appends may take, all together. */
const LARGE_SHARE = 0.75;
/** The part of the bytes that the appends of one stream may take. */
const STREAM_SHARE = 0.5;

export interface AdmissionOptions {
  /** Bytes of bodies that may wait. A body larger than that is admitted when nothing else waits. */
  readonly maxBytes: number;
  readonly maxWaiting?: number;
}

export class Admission {
  readonly #maxBytes: number;
  readonly #maxWaiting: number;
  readonly #budget: ByteBudget;
  #waiting = 0;

  constructor({ maxBytes, maxWaiting = WAITING.appends }: AdmissionOptions) {
    this.#maxBytes = maxBytes;
    this.#maxWaiting = maxWaiting;
    this.#budget = new ByteBudget(maxBytes);
    measurements.memory.set("appends", { value: () => this.#budget.used, limit: maxBytes });
    measurements.queues.set("appends", { value: () => this.#waiting, limit: maxWaiting });
  }

  /**
   * Whether an append may wait. One that may is counted until `release`.
   * @param bytes the length of its body
   * @param streamBytes the bytes of the same stream that wait already
   */
  admit(bytes: number, streamBytes: number): boolean {
    const admitted = this.#waiting < this.#maxWaiting &&
      (streamBytes === 0 || streamBytes + bytes <= this.#maxBytes * STREAM_SHARE) &&
      this.#budget.take(bytes, bytes > SMALL_BYTES ? LARGE_SHARE : 1);
    if (admitted) this.#waiting++;
    return admitted;
  }

  /** An admitted append has been answered. */
  release(bytes: number): void {
    this.#waiting--;
    this.#budget.give(bytes);
  }
}
