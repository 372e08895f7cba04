/** What the inspector's tests share: a page on a server, its clean record, and streams to show. */
import assert from "node:assert/strict";
import { append, createStream } from "../support/http.ts";
import type { BrowserPage, Chromium } from "../support/programs/chromium.ts";

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 780 };

/** Opens a view of the inspector. @param hash `#/streams` */
export async function openInspector(
  chromium: Chromium,
  server: string,
  hash = "",
): Promise<BrowserPage> {
  const page = await chromium.openPage();
  await page.playwright.setViewportSize(DESKTOP);
  await page.goto(`${server}/_penstock/${hash}`);
  return page;
}

/** Another view of the same page. */
export async function show(page: BrowserPage, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

/**
 * Nothing in the console, no exception, and no request to anybody but its server.
 * @param refused the statuses of refusals that the test has brought about: the browser logs them
 */
export function assertClean(
  page: BrowserPage,
  server: string,
  refused: readonly number[] = [],
): void {
  const expected = refused.map((status) => `responded with a status of ${status} (`);
  const errors = page.errors.filter((text) => !expected.some((part) => text.includes(part)));
  assert.deepEqual(errors, []);
  assert.deepEqual(page.requests.filter((url) => !url.startsWith(`${server}/`)), []);
}

/** The number of messages or bytes that the tail's toolbar says. */
export function countOf(what: "messages" | "bytes"): string {
  return `Number(document.querySelector(".counts")?.dataset.${what})`;
}

/** Streams as a product has them, for views and pictures. */
export async function fillServer(server: string): Promise<void> {
  const json = { contentType: "application/json" };
  const label = (team: string) => ({ "stream-label-team": team });
  for (let n = 1; n <= 24; n++) {
    const path = `chat/${["general", "support", "random", "design"][n % 4]}/${1000 + n * 37}`;
    const body = Array.from({ length: n === 1 ? 40 : 3 + n * 5 }, (_, seq) => message(seq));
    await createStream(server, path, {
      ...json,
      headers: label("web"),
      body: JSON.stringify(body),
    });
  }
  for (const day of ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"]) {
    const lines = Array.from(
      { length: 400 },
      (_, n) => `${day}T10:00:${n % 60} GET /api/items/${n} 200`,
    );
    const log = await createStream(server, `logs/api/${day}`, {
      headers: { "stream-ttl": "604800", ...label("platform") },
      body: `${lines.join("\n")}\n`,
    });
    if (day < "2026-11-23") {
      await append(log, "the end\n", { headers: { "stream-closed": "true" } });
    }
  }
  await createStream(server, "files/upload-7f3a", {
    contentType: "application/octet-stream",
    body: Uint8Array.from({ length: 5000 }, (_, n) => (n * 37) % 256),
  });
  const source = `${server}/v1/stream/chat/support/1037`;
  for (let seq = 0; seq < 3; seq++) {
    await append(source, JSON.stringify(message(seq)), {
      ...json,
      headers: { "producer-id": "web-7f3a", "producer-epoch": "0", "producer-seq": String(seq) },
    });
  }
  for (const fork of ["agents/answer-41", "agents/answer-42"]) {
    await createStream(server, fork, {
      ...json,
      headers: { "stream-forked-from": "/chat/support/1037", ...label("ai") },
    });
  }
  await createStream(server, "wakes/mail", json);
  await fetch(`${server}/v1/stream/__ds/subscriptions/notify-mail`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ type: "pull-wake", pattern: "chat/**", wake_stream: "wakes/mail" }),
  });
}

/** Appends and followers for pictures: what moves should be seen to move. */
export function keepBusy(server: string): Disposable {
  const stop = new AbortController();
  const { signal } = stop;
  const paths = ["chat/support/1037", "chat/design/1111", "chat/design/1407", "chat/general/1148"];
  for (const [at, path] of paths.entries()) {
    const url = `${server}/v1/stream/${path}`;
    for (let follower = 0; follower <= at; follower++) {
      void fetch(`${url}?offset=now&live=sse`, { signal }).then((response) => response.text())
        .catch(() => {});
    }
  }
  let seq = 100;
  const timer = setInterval(() => {
    const path = paths[Math.floor(seq / 5) % paths.length]!;
    void append(`${server}/v1/stream/${path}`, JSON.stringify(message(seq++)), {
      contentType: "application/json",
    }).catch(() => {});
  }, 120);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      stop.abort();
    },
  };
}

function message(seq: number): object {
  const people = ["ada", "grace", "linus", "margaret"];
  const texts = [
    "Shall we ship it today?",
    "The tail is live.",
    "One moment, reading the log",
    "Done, see the second line",
  ];
  return {
    seq,
    from: people[seq % 4],
    text: texts[seq % 4],
    at: 1764018000 + seq * 61,
    read: seq % 3 === 0,
  };
}
