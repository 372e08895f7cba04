/**
 * Bounds the creations in progress on this node, including forks, and the bytes of their bodies.
 */
import { Overloaded } from "../../errors.ts";
import { ByteBudget } from "../../lib/byte_budget.ts";
import { measurements } from "../../lib/telemetry/measurements.ts";

export interface CreationLimits {
  /** The most creations in progress. */
  readonly maxCreations: number;
  /** The most bytes of their bodies. */
  readonly maxBytes: number;
}

export class CreationAdmission {
  readonly #limits: CreationLimits;
  readonly #budget: ByteBudget;
  #creations = 0;

  constructor(limits: CreationLimits) {
    this.#limits = limits;
    this.#budget = new ByteBudget(limits.maxBytes);
    const { maxBytes, maxCreations } = limits;
    measurements.memory.set("creations", { value: () => this.#budget.used, limit: maxBytes });
    measurements.queues.set("creations", { value: () => this.#creations, limit: maxCreations });
  }

  /**
   * Runs `create`, whose body has this many bytes, unless too much is in progress already.
   * @throws Overloaded before anything is done, or what `create` throws
   */
  async run<T>(bytes: number, create: () => Promise<T>): Promise<T> {
    if (this.#creations >= this.#limits.maxCreations || !this.#budget.take(bytes)) {
      throw new Overloaded("too many creations wait for the database", "creation_queue");
    }
    this.#creations++;
    try {
      return await create();
    } finally {
      this.#creations--;
      this.#budget.give(bytes);
    }
  }
}
