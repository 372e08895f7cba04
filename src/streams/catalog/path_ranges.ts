/**
 * The ranges of paths, in byte order, that a listing goes through: those of the prefix that is asked
 * for, as far as the patterns of a principal reach. Pure.
 */
import { type Glob, isWildcard, literalOf } from "../../protocol/glob.ts";

/** Paths `first <= path < stop`, compared by their bytes. */
export interface PathRange {
  readonly first: string;
  readonly stop: string;
}

/** Where to search, and what each path has to match beyond that. */
export interface PathFilter {
  /** Ascending; they do not overlap. */
  readonly ranges: readonly PathRange[];
  /** Null: every path in the ranges. */
  readonly matches: ((path: string) => boolean) | null;
}

/** One path, or all that begin so. */
interface Scope {
  readonly kind: "path" | "prefix";
  readonly text: string;
}

/** More than any path has, whose 1,024 bytes are at most 256 of these. */
const LAST = "\u{10ffff}".repeat(257);

/** All paths that begin with `prefix`. */
export function rangeOf(prefix: string): PathRange {
  return { first: prefix, stop: prefix + LAST };
}

/** What the rules of a principal allow: their patterns, and whether one of them matches a path. */
export interface AllowedPaths {
  readonly globs: readonly Glob[];
  matches(path: string): boolean;
}

/** @param allowed null: there is no access control */
export function pathFilter(prefix: string, allowed: AllowedPaths | null): PathFilter {
  if (allowed === null) return { ranges: [rangeOf(prefix)], matches: null };
  const { globs } = allowed;
  const patterns = globs.map(({ pattern }) => pattern);
  const scopes = patterns.flatMap(scopesOf);
  const kept = scopes.flatMap((scope) => within(scope, prefix));
  const exact = patterns.every(fillsItsScopes);
  return {
    ranges: merge(kept).map(({ kind, text }) =>
      // No path holds a control character, so none lies between a path and this.
      kind === "prefix" ? rangeOf(text) : { first: text, stop: `${text}\u0001` }
    ),
    matches: exact ? null : (path) => allowed.matches(path),
  };
}

/** Where the paths lie that a pattern matches. */
function scopesOf(pattern: string): Scope[] {
  const segments = pattern.split("/");
  const wild = segments.findIndex(isWildcard);
  const literal = segments.slice(0, wild < 0 ? segments.length : wild).map(literalOf).join("/");
  if (wild < 0) return [{ kind: "path", text: literal }];
  if (wild === 0) return [{ kind: "prefix", text: "" }];
  const below: Scope = { kind: "prefix", text: `${literal}/` };
  // `**` stands for no segment too.
  const self = segments.slice(wild).every((segment) => segment === "**");
  return self ? [{ kind: "path", text: literal }, below] : [below];
}

/** Whether a pattern matches every path of its scopes. */
function fillsItsScopes(pattern: string): boolean {
  const segments = pattern.split("/");
  const wild = segments.findIndex(isWildcard);
  return wild < 0 || (wild === segments.length - 1 && segments[wild] === "**");
}

/** The part of a scope that begins with `prefix`: none, or one. */
function within(scope: Scope, prefix: string): Scope[] {
  if (scope.text.startsWith(prefix)) return [scope];
  return scope.kind === "prefix" && prefix.startsWith(scope.text)
    ? [{ kind: "prefix", text: prefix }]
    : [];
}

/** Ascending, without those that lie in others. */
function merge(scopes: readonly Scope[]): Scope[] {
  const merged: Scope[] = [];
  const ascending = [...scopes].sort((a, b) =>
    compareBytes(a.text, b.text) || (a.kind === "prefix" ? -1 : 1)
  );
  for (const scope of ascending) {
    const before = merged.at(-1);
    const covered = before !== undefined &&
      (before.kind === "prefix"
        ? scope.text.startsWith(before.text)
        : scope.kind === "path" && scope.text === before.text);
    if (!covered) merged.push(scope);
  }
  return merged;
}

const utf8 = new TextEncoder();

/** UTF-16 has another order than UTF-8 has. */
function compareBytes(one: string, other: string): number {
  const [a, b] = [utf8.encode(one), utf8.encode(other)];
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}
