/** A success of each operation of docs/openapi.yaml, in an order in which each finds what it needs. */
import { ADMIN } from "../access/support.ts";

export interface Step {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** What earlier answers said that later requests need. */
export interface Answers {
  readonly last: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
  readonly claim: Readonly<Record<string, unknown>>;
  readonly key: string;
  readonly offset: string;
}

type StepOf = Step | ((known: Answers) => Step);

const S = "/v1/stream";
const SUB = `${S}/__ds/subscriptions/workers`;
const HOOK = `${S}/__ds/subscriptions/hook`;
const json = { "content-type": "application/json" };
const text = { "content-type": "text/plain" };
const producer = { "producer-id": "p", "producer-epoch": "0", "producer-seq": "0" };

const get = (path: string, status = 200): Step => ({ method: "GET", path, status });
const head = (path: string, status = 200): Step => ({ method: "HEAD", path, status });
const both = (path: string): Step[] => [get(path), head(path)];
const remove = (path: string, status = 204): Step => ({ method: "DELETE", path, status });
const put = (path: string, status: number, more: Partial<Step> = {}): Step => ({
  method: "PUT",
  path,
  status,
  headers: text,
  ...more,
});
const post = (path: string, status: number, body?: unknown, more: Partial<Step> = {}): Step => ({
  method: "POST",
  path,
  status,
  headers: json,
  ...body === undefined ? {} : { body },
  ...more,
});

const STREAMS: readonly StepOf[] = [
  put(`${S}/orders/1`, 201, {
    headers: { ...json, "stream-label-team": "web", "stream-retention": "age=604800" },
  }),
  put(`${S}/orders/1`, 200, { headers: { ...json, "stream-retention": "age=604800" } }),
  post(`${S}/orders/1`, 204, [{ n: 1 }, { n: 2 }]),
  post(`${S}/orders/1`, 200, { n: 3 }, { headers: { ...json, ...producer } }),
  post(`${S}/orders/1`, 204, { n: 3 }, { headers: { ...json, ...producer } }),
  put(`${S}/what-if`, 201, { headers: { ...json, "stream-forked-from": `${S}/orders/1` } }),
  put(`${S}/a/closed/one`, 201, { body: "all", headers: { ...text, "stream-closed": "true" } }),
  post(`${S}/a/closed/one`, 409, "more", { headers: text }),
  put(`${S}/brief`, 201, { headers: { ...text, "stream-ttl": "600" } }),
  ...both(`${S}/orders/1`),
  head(`${S}/brief`),
  get(`${S}/orders/1?tail=1`),
  get(`${S}/orders/1?offset=-1`),
  ({ headers }) => ({
    ...get(`${S}/orders/1?offset=-1`, 304),
    headers: { "if-none-match": headers.get("etag")! },
  }),
  get(`${S}/a/closed/one?offset=now&live=long-poll`, 204),
  get(`${S}/a/closed/one?offset=-1&live=sse`),
  get(`${S}/none`, 404),
  get(`${S}/orders/1?offset=never`, 400),
  { method: "OPTIONS", path: `${S}/orders/1`, status: 204, token: null },
];

const LISTING: readonly StepOf[] = [
  ...both(`${S}/__ds/streams`),
  get(`${S}/__ds/streams?prefix=orders/&limit=1&label=team:web`),
  get(`${S}/__ds/streams?limit=0`, 400),
  ...both(`${S}/__ds/streams/orders/1`),
  ...both(`${S}/__ds/streams/a/closed/one`),
  get(`${S}/__ds/streams/none`, 404),
  ...both(`${S}/__ds/usage?prefix=orders/`),
  post(`${S}/__ds/streams/a/closed/one/trim`, 200, { before: "now" }),
  post(`${S}/__ds/streams/a/closed/one/trim`, 400, { after: "now" }),
  get(`${S}/a/closed/one?offset=0000000000000000_0000000000000000`, 410),
];

const ack = ({ claim, offset }: Answers, done: boolean) => ({
  wake_id: claim.wake_id,
  generation: claim.generation,
  acks: [{ stream: "orders/2", offset }],
  done,
});

const SUBSCRIPTIONS: readonly StepOf[] = [
  put(`${S}/wake`, 201, { headers: json }),
  put(SUB, 201, {
    headers: json,
    body: { type: "pull-wake", pattern: "orders/*", wake_stream: "wake" },
  }),
  put(SUB, 200, {
    headers: json,
    body: { type: "pull-wake", pattern: "orders/*", wake_stream: "wake" },
  }),
  put(HOOK, 201, {
    headers: json,
    body: { type: "webhook", streams: ["brief"], webhook: { url: "http://127.0.0.1:9/hook" } },
  }),
  put(SUB, 409, {
    headers: json,
    body: { type: "pull-wake", pattern: "chat/*", wake_stream: "wake" },
  }),
  ...both(SUB),
  get(HOOK),
  get(`${S}/__ds/subscriptions/none`, 404),
  ...both(`${S}/__ds/subscriptions`),
  post(`${SUB}/streams`, 204, { streams: ["brief"] }),
  remove(`${SUB}/streams/brief`),
  post(`${SUB}/claim`, 409, { worker: "w" }),
  put(`${S}/orders/2`, 201, { headers: json, body: [{ n: 1 }] }),
  post(`${SUB}/claim`, 200, { worker: "w" }),
  (known) => post(`${SUB}/ack`, 200, ack(known, false), { token: String(known.claim.token) }),
  ({ claim }) =>
    post(`${SUB}/release`, 204, { wake_id: claim.wake_id, generation: claim.generation }, {
      token: String(claim.token),
    }),
  (known) => post(`${SUB}/ack`, 409, ack(known, true), { token: String(known.claim.token) }),
  post(`${SUB}/ack`, 401, { wake_id: "w", generation: 1 }, { token: "none" }),
  ...both(`${S}/__ds/jwks.json`),
];

const ACCESS: readonly StepOf[] = [
  post(`${S}/__ds/tokens`, 201, {
    name: "reader",
    rules: ["read:**"],
    expires_at: "2099-01-01T00:00:00Z",
  }),
  post(`${S}/__ds/tokens`, 409, { name: "reader", rules: ["read:**"] }),
  ...both(`${S}/__ds/tokens`),
  remove(`${S}/__ds/tokens/reader`),
  remove(`${S}/__ds/tokens/reader`, 404),
  post(`${S}/__ds/sign/keys`, 201, {}),
  ...both(`${S}/__ds/sign/keys`),
  post(`${S}/__ds/sign`, 201, { path: "orders/1", operation: "read", expires_in_seconds: 60 }),
  ({ key }) => remove(`${S}/__ds/sign/keys/${key}`),
];

const OPERATIONS: readonly StepOf[] = [
  ...both(`${S}/__ds/node`),
  get(`${S}/__ds/node?x=1`, 400),
  get(`${S}/__ds/dump?prefix=orders/`),
  ...both("/health"),
  ...both("/live"),
  ...both("/ready"),
  ...both("/metrics"),
  ...both("/_penstock/"),
  ({ last }) => get(`/_penstock/${last.script}`),
  ({ last }) => head(`/_penstock/${last.script}`),
  ...both("/_penstock/session"),
];

export const STEPS: readonly StepOf[] = [
  ...STREAMS,
  ...LISTING,
  ...SUBSCRIPTIONS,
  ...ACCESS,
  ...OPERATIONS,
  remove(HOOK),
  remove(`${S}/brief`),
];

export const TOKEN = ADMIN;
