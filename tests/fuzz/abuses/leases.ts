/** Pull-wake leases with their real tokens: claimed, acked with wrong offsets, released twice. */
import { type Abuse, type AbuseContext, Fault, mustAnswer, withWire } from "../abuse.ts";
import type { Answer } from "../answer.ts";
import { offset } from "../offsets.ts";
import { encodeRequest } from "../request.ts";
import { streamName, WAKES } from "../subjects.ts";
import type { Wire } from "../wire.ts";

const BASE = "/v1/stream/__ds/subscriptions/";
const utf8 = new TextEncoder();

async function send(
  wire: Wire,
  [method, target, value, token]: readonly [string, string, unknown, string?],
): Promise<Answer> {
  const headers: [string, string][] = [["Content-Type", "application/json"]];
  if (token !== undefined) headers.push(["Authorization", `Bearer ${token}`]);
  const body = utf8.encode(JSON.stringify(value));
  await wire.write(encodeRequest({ method, target, headers, body, chunks: null }));
  return await mustAnswer(wire);
}

interface Claim {
  readonly wake_id: string;
  readonly generation: number;
  readonly token: string;
  readonly streams: readonly { readonly path: string; readonly tail_offset: string }[];
}

async function misuse(context: AbuseContext, wire: Wire, base: string): Promise<number> {
  const { random } = context;
  const claimed = await send(wire, ["POST", `${base}/claim`, { worker: "fuzzer" }]);
  if (claimed.status !== 200) return 1;
  const { token, wake_id, generation, streams } = JSON.parse(
    new TextDecoder().decode(claimed.body),
  ) as Claim;
  const acks = streams.slice(0, 5).map(({ path, tail_offset }) => ({
    stream: random.chance(0.8) ? path : streamName(random),
    offset: random.chance(0.6) ? tail_offset : offset(random),
  }));
  const wake = { wake_id, generation: generation + random.pick([0, 0, 0, 1, -1]) };
  const steps = 1 + random.below(4);
  for (let left = steps; left > 0; left--) {
    const done = random.chance(0.4);
    await random.pick([
      () => send(wire, ["POST", `${base}/ack`, { ...wake, acks, done }, token]),
      () => send(wire, ["POST", `${base}/release`, wake, token]),
      () => send(wire, ["POST", `${base}/callback`, { ...wake, done }, token]),
      () => send(wire, ["POST", `${base}/ack`, { ...wake, acks }, token.slice(0, -1) + "x"]),
    ])();
  }
  return steps + 1;
}

export const LEASE_ABUSES: readonly Abuse[] = [
  {
    name: "a lease misused",
    weight: 12,
    async run(context) {
      const { random } = context;
      const base = BASE + "lease" + random.below(3);
      return await withWire(context, async (wire) => {
        const configuration = { type: "pull-wake", pattern: "j/*", wake_stream: WAKES };
        const { status } = await send(wire, ["PUT", base, configuration]);
        if (status >= 300) throw new Fault(`status ${status} for a subscription`);
        const event = ["POST", `/v1/stream/j/${random.below(8)}`, { n: random.next() }] as const;
        await send(wire, event);
        return 2 + await misuse(context, wire, base);
      });
    },
  },
];
