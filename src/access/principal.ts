/** The holder of a token: what it may do, and until when. */
import type { Matcher } from "../protocol/glob.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";
import { allows, allowsPattern, allowsSome, covers, type Operation, type Rule } from "./rules.ts";

/** Ends a response that goes on for as long as its reader may read. */
export type EndListener = () => void;

export interface PrincipalOptions {
  /** For the log: `token ci`, `jwt 42`. Holds no secret. */
  readonly name: string;
  readonly rules: readonly Rule[];
  /** The row of a stored token; null for others. */
  readonly tokenId: number | null;
  /** Milliseconds since 1970 by the database's clock; null: never. */
  readonly expiresAtMs: number | null;
  /** The same moment as `performance.now()`, or Infinity. */
  readonly endsAt: number;
}

/** Shared by all principals: followers end up to two seconds after their token, never before. */
const expiries = new DeadlineQueue();

export class Principal {
  readonly name: string;
  readonly tokenId: number | null;
  readonly expiresAtMs: number | null;
  readonly #rules: readonly Rule[];
  readonly #endsAt: number;
  #revoked = false;
  #expiry: Deadline | undefined;
  readonly #listeners = new Set<EndListener>();

  constructor({ name, rules, tokenId, expiresAtMs, endsAt }: PrincipalOptions) {
    this.name = name;
    this.tokenId = tokenId;
    this.expiresAtMs = expiresAtMs;
    this.#rules = rules;
    this.#endsAt = endsAt;
  }

  /** Whether the token counts for nothing any more. */
  get ended(): boolean {
    return this.#revoked || (this.#endsAt !== Infinity && performance.now() >= this.#endsAt);
  }

  get expired(): boolean {
    return this.#endsAt !== Infinity && performance.now() >= this.#endsAt;
  }

  /** Whether a response goes on by this principal's right. */
  get followed(): boolean {
    return this.#listeners.size > 0;
  }

  allows(operation: Operation, path: string): boolean {
    return allows(this.#rules, operation, path);
  }

  allowsPattern(operation: Operation, pattern: Matcher): boolean {
    return allowsPattern(this.#rules, operation, pattern);
  }

  allowsSome(operation: Operation): boolean {
    return allowsSome(this.#rules, operation);
  }

  /** The patterns of the rules that allow it. */
  patterns(operation: Operation): readonly string[] {
    return this.#rules.filter((rule) => rule.operations.has(operation))
      .map((rule) => rule.matcher.pattern);
  }

  /** Whether it has every right that these rules give. */
  covers(rules: readonly Rule[]): boolean {
    return covers(this.#rules, rules);
  }

  /** Calls the listener once when the token ends; at once if it has. Returns what takes it back. */
  onEnd(listener: EndListener): () => void {
    if (this.ended) {
      listener();
      return () => {};
    }
    this.#listeners.add(listener);
    if (this.#endsAt !== Infinity && this.#expiry === undefined) {
      this.#expiry = { at: this.#endsAt, expire: () => this.#end() };
      expiries.add(this.#expiry);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0 || this.#expiry === undefined) return;
      expiries.remove(this.#expiry);
      this.#expiry = undefined;
    };
  }

  revoke(): void {
    this.#revoked = true;
    this.#end();
  }

  #end(): void {
    if (this.#expiry !== undefined) expiries.remove(this.#expiry);
    this.#expiry = undefined;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
