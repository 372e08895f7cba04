/**
 * A path can be created, deleted and created again. Each time is an incarnation, a stream of its
 * own; which one an operation met follows from when it was under way.
 */
import type { Create, Delete, History, Operation } from "../history.ts";

export interface Incarnation {
  readonly path: string;
  readonly number: number;
  readonly creates: readonly Create[];
  readonly deletes: readonly Delete[];
  readonly ttlMs: number | null;
  readonly fork: Create["fork"];
  /** It cannot have existed before. */
  readonly mayExistFrom: number;
  /** It exists from here on, if not before; infinite when that was never seen. */
  readonly existsFrom: number;
  /** It may be deleted from here on. */
  readonly mayEndFrom: number;
  /** It cannot exist any more from here on. */
  readonly goneFrom: number;
}

export class Incarnations {
  /** In the order of their creation: a source goes before its forks. */
  readonly all: readonly Incarnation[];
  readonly #byPath = new Map<string, Incarnation[]>();

  constructor(history: History) {
    const parts = new Map<string, { creates: Create[]; deletes: Delete[] }>();
    for (const operation of history.operations) {
      if (operation.kind !== "create" && operation.kind !== "delete") continue;
      const key = `${operation.path} ${operation.incarnation}`;
      let part = parts.get(key);
      if (part === undefined) parts.set(key, part = { creates: [], deletes: [] });
      if (operation.kind === "create") part.creates.push(operation);
      else part.deletes.push(operation);
    }
    this.all = [...parts.values()].filter(({ creates }) => creates.length > 0)
      .map(({ creates, deletes }) => incarnation(creates, deletes));
    for (const one of this.all) {
      const same = this.#byPath.get(one.path);
      if (same === undefined) this.#byPath.set(one.path, [one]);
      else same.push(one);
    }
  }

  of(path: string): readonly Incarnation[] {
    return this.#byPath.get(path) ?? [];
  }

  /** The incarnations that an operation may have met. */
  metBy(operation: Operation): readonly Incarnation[] {
    return this.at(operation.path, operation.invoked, operation.completed);
  }

  at(path: string, from: number, to: number): readonly Incarnation[] {
    return this.of(path).filter((one) => one.mayExistFrom <= to && one.goneFrom >= from);
  }

  /** What a fork was made of, where there is only one stream it can have been. */
  sourceOf(one: Incarnation): Incarnation | null {
    const made = one.creates.find((create) => create.outcome === "ok");
    if (one.fork === null || made === undefined) return null;
    const sources = this.at(one.fork.source, made.invoked, made.completed);
    return sources.length === 1 ? sources[0]! : null;
  }

  /** Positions at which a fork goes from the bytes of one stream to those of the next, in order. */
  cutsOf(one: Incarnation): readonly number[] {
    if (one.fork === null) return [];
    const { position } = one.fork;
    const source = this.sourceOf(one);
    const inherited = source === null ? [] : this.cutsOf(source);
    return [...inherited.filter((cut) => cut < position), position];
  }

  /** The path that the bytes at a position were written to; null where that is not known. */
  homeOf(one: Incarnation, position: number): string | null {
    if (one.fork === null || position >= one.fork.position) return one.path;
    const source = this.sourceOf(one);
    return source === null ? null : this.homeOf(source, position);
  }

  /** The incarnation that an operation met, where there is only one it can have been. */
  onlyMetBy(operation: Operation): Incarnation | null {
    if (operation.kind === "create") {
      return this.of(operation.path).find((one) => one.number === operation.incarnation) ?? null;
    }
    const met = this.metBy(operation);
    return met.length === 1 ? met[0]! : null;
  }
}

function incarnation(creates: Create[], deletes: Delete[]): Incarnation {
  const first = creates[0]!;
  const made = creates.filter((create) => create.outcome === "ok");
  const ended = deletes.filter((one) =>
    one.outcome === "ok" ||
    (one.outcome === "refused" && (one.status === 404 || one.status === 410))
  );
  // A PUT or DELETE without an answer can still take place, however long after.
  const openCreate = creates.some((create) => create.outcome === "unknown");
  const sure = made.length > 0 ? Math.min(...made.map((create) => create.completed)) : Infinity;
  return {
    path: first.path,
    number: first.incarnation,
    creates,
    deletes,
    ttlMs: first.ttlMs,
    fork: first.fork,
    mayExistFrom: first.invoked,
    existsFrom: sure,
    mayEndFrom: Math.min(Infinity, ...deletes.map((one) => one.invoked)),
    goneFrom: openCreate || ended.length === 0
      ? Infinity
      : Math.min(...ended.map((one) => one.completed)),
  };
}
