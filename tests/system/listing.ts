/** What the tests of the listing share: its answers, and a walk over its pages. */
import assert from "node:assert/strict";
import { expectStatus } from "./support.ts";

export interface Entry {
  readonly path: string;
  readonly next_offset: string;
  readonly labels: Record<string, string>;
  readonly [member: string]: unknown;
}

export interface Page {
  readonly streams: Entry[];
  readonly next_after: string | null;
}

export async function getJson<T>(url: string): Promise<T> {
  const response = await fetch(url);
  assert.equal(response.headers.get("cache-control"), "no-store");
  return JSON.parse(await expectStatus(response, 200)) as T;
}

/** All pages, joined. */
export async function listAll(base: string, query: string): Promise<Entry[]> {
  const found: Entry[] = [];
  for (let after: string | null = "", pages = 0; after !== null; pages++) {
    assert.ok(pages < 1000, "the pages end");
    const page: Page = await getJson<Page>(
      `${base}/v1/stream/__ds/streams?${query}&after=${encodeURIComponent(after)}`,
    );
    found.push(...page.streams);
    after = page.next_after;
  }
  return found;
}

export const pathsOf = (entries: readonly Entry[]) => entries.map(({ path }) => path);
