/** The examples of docs/recipes/, as they stand there, and the programs that run them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startCaddy } from "../support/programs/caddy.ts";
import { startHaproxy } from "../support/programs/haproxy.ts";
import { startNginx } from "../support/programs/nginx.ts";
import type { RunningProgram } from "../support/programs/program.ts";

const FOLDER = join(import.meta.dirname ?? ".", "../../docs/recipes");

/** The first example of this language in a recipe. */
export function exampleOf(recipe: string, language: string): string {
  const page = readFileSync(join(FOLDER, `${recipe}.md`), "utf8");
  const example = page.match(new RegExp("```" + language + "\n([^]*?)```"))?.[1];
  assert(example !== undefined, `docs/recipes/${recipe}.md has no example in ${language}`);
  return example;
}

/** Puts the test's own values in the place of an example's. */
export function withValues(example: string, values: Readonly<Record<string, string>>): string {
  let text = example;
  for (const [shown, value] of Object.entries(values)) {
    assert(text.includes(shown), `the example no longer says ${shown}`);
    text = text.replaceAll(shown, value);
  }
  return text;
}

const NGINX_VALUES = {
  "listen 80;": "listen 127.0.0.1:{{port}};",
  "/var/cache/nginx/penstock": "{{folder}}/cache",
};

export const PROXIES = {
  nginx: ([one, two]) =>
    startNginx({
      upstreamPort: one,
      config: withValues(exampleOf("nginx", "nginx"), {
        ...NGINX_VALUES,
        "127.0.0.1:4437": `127.0.0.1:${one}`,
        "127.0.0.1:4438": `127.0.0.1:${two}`,
      }),
    }),
  caddy: ([one, two]) =>
    startCaddy({
      upstreamPort: one,
      config: withValues(exampleOf("caddy", "caddyfile"), {
        "streams.example.com": "http://127.0.0.1:{{port}}",
        "127.0.0.1:4437": `127.0.0.1:${one}`,
        "127.0.0.1:4438": `127.0.0.1:${two}`,
      }),
    }),
  haproxy: ([one, two]) => haproxy([one, two]),
} satisfies Record<string, (ports: readonly [number, number]) => Promise<RunningProgram>>;

/** @param changed other values than the recipe's */
export function haproxy(
  [one, two]: readonly [number, number],
  changed: Readonly<Record<string, string>> = {},
): Promise<RunningProgram> {
  return startHaproxy({
    upstreamPort: one,
    config: withValues(exampleOf("haproxy", "haproxy"), {
      "bind :8080": "bind 127.0.0.1:{{port}}",
      "127.0.0.1:4437": `127.0.0.1:${one}`,
      "127.0.0.1:4438": `127.0.0.1:${two}`,
      ...changed,
    }),
  });
}

/** The cache that stands in for a CDN. */
export function startCdn(upstreamPort: number): Promise<RunningProgram> {
  return startNginx({
    upstreamPort,
    config: withValues(exampleOf("cdn", "nginx"), {
      ...NGINX_VALUES,
      "127.0.0.1:4437": `127.0.0.1:${upstreamPort}`,
    }),
  });
}
