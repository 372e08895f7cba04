/**
 * Every route of a server, and what a request to it needs: written down here a second time, apart from
 * `src/access/requirement.ts`.
 */
import type { Operation } from "../../src/access/rules.ts";

export const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] as const;
export type Method = typeof METHODS[number];

/**
 * What a request needs: an operation; nothing; credentials, whatever their rules; `admin` outside of
 * every namespace; or `list` on `mine/here`.
 */
export type Need = Operation | "public" | "any" | "server" | "list of mine";

export interface Route {
  readonly path: string;
  readonly need: (method: Method) => Need;
  /** What Bun answers without asking who it is: its router has rewritten the path, or knows none. */
  readonly onBun?: number;
}

const STREAM: Partial<Record<Method, Need>> = {
  GET: "read",
  HEAD: "read",
  POST: "append",
  PUT: "create",
  DELETE: "delete",
  OPTIONS: "public",
};
const ofStream = (method: Method): Need => STREAM[method] ?? "any";
const always = (need: Need) => (method: Method): Need => method === "OPTIONS" ? "public" : need;
const wake = (method: Method): Need =>
  method === "POST" || method === "OPTIONS" ? "public" : "subscribe";
/** The sum is of what may be listed all of. */
const usage = (method: Method): Need =>
  method === "GET" || method === "HEAD" ? "list of mine" : always("list")(method);

export const S = "/v1/stream";
export const ROUTES: readonly Route[] = [
  { path: `${S}/mine/here`, need: ofStream },
  { path: `${S}/mine/not-here`, need: ofStream },
  { path: `${S}/mine/deep/er`, need: ofStream },
  { path: `${S}/mine/here?offset=-1`, need: ofStream },
  { path: `${S}/mine/not-here?offset=-1&live=sse`, need: ofStream },
  { path: `${S}/mine/not-here?offset=now&live=long-poll`, need: ofStream },
  { path: `${S}/mine//empty`, need: always("any"), onBun: 400 },
  { path: `${S}/mine/%2fslash`, need: always("any") },
  { path: `${S}/__ds`, need: always("admin") },
  { path: `${S}/__ds/unknown`, need: always("admin") },
  {
    path: `${S}/__ds/streams/mine/not-here/trim`,
    need: (method) => method === "POST" ? "delete" : always("list of mine")(method),
  },
  { path: `${S}/__ds/node`, need: always("server") },
  { path: `${S}/__ds/tokens`, need: always("admin") },
  { path: `${S}/__ds/tokens/none`, need: always("admin") },
  { path: `${S}/__ds/sign`, need: always("any") },
  { path: `${S}/__ds/sign/keys`, need: always("admin") },
  { path: `${S}/__ds/sign/keys/none`, need: always("admin") },
  { path: `${S}/__ds/jwks.json`, need: () => "public" },
  { path: `${S}/__ds/streams`, need: always("list") },
  { path: `${S}/__ds/streams?prefix=mine/`, need: always("list") },
  { path: `${S}/__ds/streams/mine/here`, need: always("list of mine") },
  { path: `${S}/__ds/streams/`, need: always("any"), onBun: 400 },
  { path: `${S}/__ds/usage?prefix=mine/`, need: usage },
  { path: `${S}/__ds/usage/more`, need: always("admin") },
  { path: `${S}/__ds/subscriptions`, need: always("list") },
  { path: `${S}/__ds/subscriptions/mine`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/streams`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/streams/mine/here`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/claim`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/other`, need: always("subscribe") },
  { path: `${S}/__ds/subscriptions/mine/callback`, need: wake },
  { path: `${S}/__ds/subscriptions/mine/ack`, need: wake },
  { path: `${S}/__ds/subscriptions/mine/release`, need: wake },
  { path: "/health", need: () => "public" },
  { path: "/live", need: () => "public" },
  { path: "/ready", need: () => "public" },
  { path: "/", need: () => "public" },
  { path: "/metrics", need: () => "server" },
  { path: "/v1/streams", need: () => "server", onBun: 404 },
];
