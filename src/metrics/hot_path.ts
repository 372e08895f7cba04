/** The metrics of requests, appends, reads and followers, from `measurements`. */
import { type Level, measurements } from "../lib/telemetry/measurements.ts";
import type { Reading, Readings } from "./sources.ts";

/** Milliseconds to seconds. */
const SECONDS = 1 / 1000;

/** @param followers that wait on this node now, by long-poll and by SSE */
export function addHotPath(readings: Readings, followers: () => number): void {
  addRequests(readings);
  addLatencies(readings);
  addFollowers(readings, followers);
  addLevels(readings);
}

function addRequests(readings: Readings): void {
  readings.counter({
    name: "requests_total",
    help: "Requests that were answered, by route, mode of reading and status.",
  }, function* () {
    for (const { count, ...labels } of measurements.requests.entries()) {
      yield { labels, value: count };
    }
  });
  readings.counter({
    name: "refusals_total",
    help: "Requests that were refused, by the kind of refusal.",
  }, () => byLabel("kind", measurements.refusals));
  readings.counter({
    name: "turned_away_total",
    help: "Requests that got 503 because something was full, by what was full.",
  }, () => byLabel("by", measurements.turnedAway));
  const counted = {
    bytes_received_total: ["Bytes of bodies to be stored.", () => measurements.bytesReceived],
    bytes_sent_total: ["Bytes of streams' content sent.", () => measurements.bytesSent],
    messages_received_total: [
      "Messages in bodies to be stored: JSON values, or one per body of another content type.",
      () => measurements.messagesReceived,
    ],
    messages_sent_total: [
      "Messages in streams' content that was sent: JSON values, or one per response or event.",
      () => measurements.messagesSent,
    ],
    events_sent_total: ["SSE events sent.", () => measurements.eventsSent],
    spans_sent_total: ["Spans that the collector took.", () => measurements.spansSent],
    spans_dropped_total: [
      "Spans that were lost: the collector was away, or too slow.",
      () => measurements.spansDropped,
    ],
  } as const;
  for (const [name, [help, read]] of Object.entries(counted)) {
    readings.counter({ name, help }, read);
  }
}

function addLatencies(readings: Readings): void {
  const latencies = {
    append_seconds: ["From an append's admission to its answer.", measurements.appends],
    commit_seconds: ["Group commits, their answers included.", measurements.commits],
    state_load_seconds: ["Queries that load streams' states.", measurements.stateLoads],
    page_load_seconds: ["Loads of pages that were not cached.", measurements.pages],
    fan_out_seconds: [
      "From a change until all SSE followers of this node were notified.",
      measurements.fanOuts,
    ],
    delivery_seconds: [
      "From a commit, on whatever node, until a follower here that waited for it has its bytes.",
      measurements.deliveries,
    ],
    wake_up_seconds: [
      "From NOTIFY on one connection until it was heard on the one that listens.",
      measurements.wakeUps,
    ],
    event_loop_delay_seconds: ["How late timers ran.", measurements.eventLoopDelays],
  } as const;
  for (const [name, [help, distribution]] of Object.entries(latencies)) {
    readings.histogram({ name, help }, distribution, SECONDS);
  }
  const sizes = {
    commit_appends: ["Appends in one group commit.", measurements.commitAppends],
    commit_bytes: ["Bytes written by one group commit.", measurements.commitBytes],
    commit_streams: ["Streams that one group commit wrote.", measurements.commitStreams],
    state_load_requests: [
      "Requests that one query for streams' states served.",
      measurements.stateLoadRequests,
    ],
  } as const;
  for (const [name, [help, distribution]] of Object.entries(sizes)) {
    readings.histogram({ name, help }, distribution);
  }
}

function addFollowers(readings: Readings, followers: () => number): void {
  readings.gauge({ name: "followers", help: "Followers of this node, by mode." }, () => [
    { labels: { mode: "long-poll" }, value: measurements.longPolls },
    { labels: { mode: "sse" }, value: Math.max(0, followers() - measurements.longPolls) },
  ]);
  readings.gauge({
    name: "listening",
    help: "1 while a NOTIFY is heard, 0 while it is not; no sample where a node does not listen.",
  }, () => measurements.listening);
  readings.counter({
    name: "cache_requests_total",
    help: "What was asked of each cache, and whether it was there (hit) or not (miss).",
  }, () =>
    Object.entries(measurements.caches).flatMap(([cache, { hits, misses }]) => [
      { labels: { cache, result: "hit" }, value: hits },
      { labels: { cache, result: "miss" }, value: misses },
    ]));
}

function addLevels(readings: Readings): void {
  const { queues, memory } = measurements;
  readings.gauge(
    { name: "queue_requests", help: "Requests that wait for the database, by queue." },
    () => levelsOf("queue", queues, ({ value }) => value()),
  );
  readings.gauge(
    { name: "queue_limit", help: "Requests that may wait in a queue; more get 503." },
    () => levelsOf("queue", queues, ({ limit }) => limit),
  );
  readings.gauge(
    { name: "memory_bytes", help: "Memory held by bodies, pages and caches, by part." },
    () => levelsOf("part", memory, ({ value }) => value()),
  );
  readings.gauge(
    { name: "memory_limit_bytes", help: "The bytes at which a part turns requests away." },
    () => levelsOf("part", memory, ({ limit }) => limit).filter(({ value }) => value < Infinity),
  );
}

function levelsOf(
  label: string,
  levels: ReadonlyMap<string, Level>,
  read: (level: Level) => number,
): Reading[] {
  return [...levels].map(([name, level]) => ({ labels: { [label]: name }, value: read(level) }));
}

function byLabel(label: string, counts: ReadonlyMap<string, number>): Reading[] {
  return [...counts].map(([name, value]) => ({ labels: { [label]: name }, value }));
}
