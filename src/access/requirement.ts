/** What a request needs before anything is looked up: decided by its method, path and headers alone. */
import {
  parseStreamPath,
  parseStreamReference,
  STREAM_PREFIX,
  trimmedPath,
} from "../protocol/stream_path.ts";
import type { Operation } from "./rules.ts";

/** `any` asks for credentials and no more: there is nothing to be found. */
export type Requirement =
  | { readonly kind: "public" }
  | { readonly kind: "any" }
  /** The operation on this path. */
  | { readonly kind: "path"; readonly operation: Operation; readonly path: string }
  /** `create` here, and `read` of the source. */
  | { readonly kind: "fork"; readonly path: string; readonly source: string }
  /** `admin` outside of every namespace: what is asked for is about all that the server does. */
  | { readonly kind: "server" }
  /** The operation on some path; the route checks on which. */
  | { readonly kind: "some"; readonly operation: Operation };

const PUBLIC: Requirement = { kind: "public" };
const ANY: Requirement = { kind: "any" };
const ADMIN: Requirement = { kind: "some", operation: "admin" };
const SERVER: Requirement = { kind: "server" };
/** The route shows what the rules cover. */
const LIST: Requirement = { kind: "some", operation: "list" };

const CONTROL = `${STREAM_PREFIX}__ds`;
/** Of signed URLs: what may be signed depends on the body, so the route decides. */
const SIGN = `${CONTROL}/sign`;
/** What one node does. */
const NODE = `${CONTROL}/node`;
/** What receivers verify webhooks with (section 6.5): without a secret, and for everybody. */
const JWKS = `${CONTROL}/jwks.json`;
/** These bring the token of their wake (sections 7.1 and 7.2), which the subscription verifies. */
const WAKE_ACTIONS = ["callback", "ack", "release"];

/** Checks of the process, which say nothing of streams. */
const HEALTH = ["/health", "/live", "/ready"];

/** The inspector is a page that holds nothing: what it shows, it asks for with a token of its own. */
const INSPECTOR = "/_penstock";
/** What the inspector asks about the token that it has been given. */
const SESSION = `${INSPECTOR}/session`;

const BY_METHOD: Readonly<Record<string, Operation>> = {
  GET: "read",
  HEAD: "read",
  POST: "append",
  PUT: "create",
  DELETE: "delete",
};

/** What `requirementOf` needs of a request. */
export interface RequestHead {
  readonly method: string;
  /** As sent, without the query. */
  readonly path: string;
  /** Stream-Forked-From; asked for only where it counts. */
  forkedFrom(): string | null;
}

export function requirementOf(head: RequestHead): Requirement {
  const { method, path } = head;
  if (!path.startsWith(STREAM_PREFIX)) return pageRequirement(path);
  // A preflight carries no credentials, and is told nothing that depends on the path.
  if (method === "OPTIONS") return PUBLIC;
  if (path === CONTROL || path.startsWith(`${CONTROL}/`)) return controlRequirement(method, path);
  const operation = BY_METHOD[method];
  if (operation === undefined) return ANY;
  const stream = parseStreamPath(path);
  if ("refusal" in stream) return ANY;
  if (operation === "create") {
    const from = head.forkedFrom();
    // A source on another host is refused by the route; were it ours, it would have to be readable.
    const source = from === null ? null : parseStreamReference(from, () => true);
    if (source !== null && "value" in source) {
      return { kind: "fork", path: stream.value, source: source.value };
    }
  }
  return { kind: "path", operation, path: stream.value };
}

/** Of what is not under the prefix of streams. */
function pageRequirement(path: string): Requirement {
  if (path === SESSION) return ANY;
  const isInspector = path === "/" || path === INSPECTOR || path.startsWith(`${INSPECTOR}/`);
  return isInspector || HEALTH.includes(path) ? PUBLIC : SERVER;
}

/** `__ds/streams/{path}`. */
function listRequirement(path: string): Requirement {
  const stream = parseStreamPath(STREAM_PREFIX + path.slice(`${CONTROL}/streams/`.length));
  if ("refusal" in stream) return ANY;
  return { kind: "path", operation: "list", path: stream.value };
}

function controlRequirement(method: string, path: string): Requirement {
  if (path === JWKS) return PUBLIC;
  if (path === SIGN) return ANY;
  if (path === NODE) return SERVER;
  const [collection, rawId, action] = path.slice(CONTROL.length + 1).split("/");
  if (collection === "streams" && method === "POST") {
    const stream = trimmedPath(path.slice(CONTROL.length + 1));
    if (stream !== null) {
      return "refusal" in stream ? ANY : { kind: "path", operation: "delete", path: stream.value };
    }
  }
  if (collection === "streams" && rawId !== undefined) return listRequirement(path);
  if (collection === "streams" || path === `${CONTROL}/usage`) return LIST;
  if (collection !== "subscriptions") return ADMIN;
  if (rawId === undefined) return LIST;
  if (action !== undefined && WAKE_ACTIONS.includes(action) && method === "POST") return PUBLIC;
  let id: string;
  try {
    id = decodeURIComponent(rawId ?? "");
  } catch {
    return ANY;
  }
  if (id === "" || id.includes("/")) return ANY;
  return { kind: "path", operation: "subscribe", path: id };
}
