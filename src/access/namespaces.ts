/**
 * Namespaces: the holder of a token with the namespace `acme` says `x` where the database says `acme/x`,
 * and nothing without that prefix exists for it. Every name that a request brings is turned into the
 * stored one by `storedName`, and every name that an answer holds back by `outerName`: paths of streams,
 * ids of subscriptions, names of tokens, and prefixes of them.
 */
import { type Glob, withinNamespace } from "../protocol/glob.ts";
import { parseStreamPath, STREAM_PREFIX } from "../protocol/stream_path.ts";

/** Segments joined by `/`, without one at either end; "" is the whole database. */
export type Namespace = string;

export const NO_NAMESPACE: Namespace = "";

/** Bytes. With the longest path it still fits into an index. */
const LONGEST = 256;
const MOST_SEGMENTS = 8;

/** Where the database has what a holder calls by this name, or by names that begin so. */
export function storedName(namespace: Namespace, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** What a holder calls this; null where it does not exist for the holder. */
export function outerName(namespace: Namespace, stored: string): string | null {
  if (namespace === "") return stored;
  return stored.startsWith(`${namespace}/`) ? stored.slice(namespace.length + 1) : null;
}

/** Between which two texts all names in a namespace are, in the order of bytes: '0' follows '/'. */
export function boundsOf(namespace: Namespace): readonly [after: string, before: string] {
  return [`${namespace}/`, `${namespace}0`];
}

/** The namespace that a holder in `outer` calls `inner`; "" is the holder's own. */
export function nestedNamespace(outer: Namespace, inner: Namespace): Namespace {
  return inner === "" ? outer : storedName(outer, inner);
}

/** What a holder in `outer` calls this namespace; null where it is not within. */
export function relativeNamespace(outer: Namespace, stored: Namespace): Namespace | null {
  return stored === outer ? "" : outerName(outer, stored);
}

/** The namespace of a subscription or a token, by its stored name: what its maker says holds no slash. */
export function namespaceOfName(stored: string): Namespace {
  return stored.slice(0, Math.max(0, stored.lastIndexOf("/")));
}

/** The pattern over stored paths that matches what a holder means by this one. */
export function storedGlob(namespace: Namespace, glob: Glob): Glob {
  return namespace === "" ? glob : withinNamespace(namespace, glob);
}

/**
 * The namespace that a text names, `acme` or `acme/eu/`; or a sentence that says what is wrong with it.
 * An asterisk would have a meaning in patterns.
 */
export function parseNamespace(text: string): { readonly namespace: Namespace } | string {
  const name = text.endsWith("/") ? text.slice(0, -1) : text;
  const path = name.isWellFormed()
    ? parseStreamPath(STREAM_PREFIX + name.split("/").map(encodeURIComponent).join("/"))
    : { refusal: null };
  const bounded = name.length <= LONGEST && new TextEncoder().encode(name).length <= LONGEST &&
    name.split("/").length <= MOST_SEGMENTS;
  if ("refusal" in path || !bounded || /\*|%2a/i.test(name)) {
    return `a namespace is a path of at most ${MOST_SEGMENTS} segments and ${LONGEST} bytes, ` +
      "without asterisks, such as acme";
  }
  return { namespace: path.value };
}
