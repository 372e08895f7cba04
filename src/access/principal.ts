/** The holder of a token: what it may do, and until when. */
import { type Glob, type Matcher, parseGlob } from "../protocol/glob.ts";
import { type Deadline, DeadlineQueue } from "../lib/deadline_queue.ts";
import { type Namespace, NO_NAMESPACE, relativeNamespace, storedGlob } from "./namespaces.ts";
import {
  allows,
  allowsPattern,
  allowsSome,
  covers,
  type Operation,
  type Rule,
  rulesWithin,
  textOfRule,
} from "./rules.ts";

/** Ends a response that goes on for as long as its reader may read. */
export type EndListener = () => void;

export interface PrincipalOptions {
  /** For the log: `token ci`, `jwt 42`. Holds no secret. */
  readonly name: string;
  readonly rules: readonly Rule[];
  /** What its names are in. Rules speak of names as the holder does. */
  readonly namespace?: Namespace;
  /** Whose quota counts: the namespace, or one that it is in. By default the namespace. */
  readonly tenant?: Namespace;
  /** The row of a stored token; null for others. */
  readonly tokenId: number | null;
  /** The key of a signed URL; none for others. */
  readonly urlKey?: string;
  /** Milliseconds since 1970 by the database's clock; null: never. */
  readonly expiresAtMs: number | null;
  /** The same moment as `performance.now()`, or Infinity. */
  readonly endsAt: number;
}

/** The name of those that bring no token. */
export const ANONYMOUS = "anonymous";

/** What the holder's names are in. @param principal null: there is no access control */
export function namespaceOf(principal: Principal | null): Namespace {
  return principal?.namespace ?? NO_NAMESPACE;
}

/** Shared by all principals: followers end up to two seconds after their token, never before. */
const expiries = new DeadlineQueue();

export class Principal {
  readonly name: string;
  readonly namespace: Namespace;
  readonly tenant: Namespace;
  readonly tokenId: number | null;
  readonly urlKey: string | null;
  readonly expiresAtMs: number | null;
  readonly #rules: readonly Rule[];
  readonly #endsAt: number;
  #revoked = false;
  #expiry: Deadline | undefined;
  readonly #listeners = new Set<EndListener>();

  constructor(options: PrincipalOptions) {
    this.name = options.name;
    this.namespace = options.namespace ?? NO_NAMESPACE;
    this.tenant = options.tenant ?? this.namespace;
    this.tokenId = options.tokenId;
    this.urlKey = options.urlKey ?? null;
    this.expiresAtMs = options.expiresAtMs;
    this.#rules = options.rules;
    this.#endsAt = options.endsAt;
  }

  /** What it may do, as its rules are written. */
  get ruleTexts(): readonly string[] {
    return this.#rules.map(textOfRule);
  }

  /** Whether the token counts for nothing any more. */
  get ended(): boolean {
    return this.#revoked || (this.#endsAt !== Infinity && performance.now() >= this.#endsAt);
  }

  /** Whether it may end before it expires. */
  get revocable(): boolean {
    return this.tokenId !== null || this.urlKey !== null;
  }

  /** Whether a response goes on by this principal's right. */
  get followed(): boolean {
    return this.#listeners.size > 0;
  }

  /** @param path as the holder says it, without the namespace; so are patterns and rules below */
  allows(operation: Operation, path: string): boolean {
    return allows(this.#rules, operation, path);
  }

  allowsPattern(operation: Operation, pattern: Matcher): boolean {
    return allowsPattern(this.#rules, operation, pattern);
  }

  allowsSome(operation: Operation): boolean {
    return allowsSome(this.#rules, operation);
  }

  /** Whether it has every right that these rules give to holders in this namespace. */
  covers(rules: readonly Rule[], namespace: Namespace): boolean {
    const relative = relativeNamespace(this.namespace, namespace);
    return relative !== null && covers(this.#rules, rulesWithin(relative, rules));
  }

  /** The patterns of the rules that allow it, over stored paths. */
  globs(operation: Operation): readonly Glob[] {
    return this.#rules.filter((rule) => rule.operations.has(operation)).flatMap((rule) => {
      const glob = parseGlob(rule.matcher.pattern);
      return typeof glob === "string" ? [] : [storedGlob(this.namespace, glob)];
    });
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
