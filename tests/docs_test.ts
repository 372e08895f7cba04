/** Holds README.md and docs/ to the sources: settings, error codes, links, lengths. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isCurrent } from "../scripts/configuration.ts";
import * as header from "../src/protocol/headers.ts";

const ROOT = join(import.meta.dirname ?? ".", "..");
const PAGES = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  "llms.txt",
  ...["docs", "examples"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
      .map((name) => join(folder, name))
  ),
];
const SOURCES = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => read(join("src", name)));

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** `CODE status` of every error that the sources can answer with. */
function errorsOfSources(): Set<string> {
  const found = new Set<string>();
  const table = read("src/http/error_responses.ts");
  for (const [, status, code] of table.matchAll(/status: (\d+),\s*code: "(\w+)"/g)) {
    found.add(`${code} ${status}`);
  }
  for (const source of SOURCES) {
    const calls = source.matchAll(
      /(?:\b(?:invalid|refuse)\(|kind: "invalid",\s*code:)\s*"(\w+)"/g,
    );
    for (const [, code] of calls) found.add(`${code} 400`);
  }
  // headers.ts makes the codes of headers that are free text from their names.
  for (const [, name] of read("src/protocol/headers.ts").matchAll(/\btoken\(([A-Z_]+),/g)) {
    const text = header[name as keyof typeof header] as unknown as string;
    found.add(`INVALID_${text.toUpperCase().replaceAll("-", "_")} 400`);
  }
  return found;
}

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-");
}

function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));
}

/** The links and pictures of a page that lead to another file, or to a place of its own. */
function localLinks(path: string): string[] {
  const text = read(path).replaceAll(/^```[\s\S]*?^```/gm, "");
  const marked = [...text.matchAll(/\]\(([^)\s]+)\)|<img [^>]*src="([^"]+)"/g)];
  return marked.map(([, link, picture]) => (link ?? picture)!)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** The path from the root that a link of a page leads to. */
function targetOf(path: string, link: string): string {
  const [file = ""] = link.split("#");
  return file === "" ? path : join(dirname(path), file);
}

/** The links of a page that lead nowhere. */
function brokenLinks(path: string): string[] {
  return localLinks(path).filter((link) => {
    const [, anchor] = link.split("#");
    const target = targetOf(path, link);
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && target.endsWith(".md") &&
      !anchorsOf(read(target)).includes(anchor);
  }).map((link) => `${path}: ${link}`);
}

Deno.test("docs/configuration.md is what the table of settings says", () => {
  assert(isCurrent(), "run `deno task configuration`");
});

Deno.test("docs/errors.md lists every error code with its status, and no other", () => {
  const documented = [...read("docs/errors.md").matchAll(/^\| `(\w+)` \| (\d+) \|/gm)]
    .map(([, code, status]) => `${code} ${status}`);
  const answered = errorsOfSources();
  assert(answered.size > 40, `only ${answered.size} found: the sources say it another way now`);
  assert.deepEqual(documented.toSorted(), [...answered].toSorted());
});

Deno.test("error codes are upper case, with underscores", () => {
  for (const error of errorsOfSources()) assert.match(error, /^[A-Z][A-Z_]*[A-Z] \d{3}$/);
});

Deno.test("docs/README.md lists every page of docs/ once", () => {
  const contents = join("docs", "README.md");
  const listed = localLinks(contents).map((link) => targetOf(contents, link));
  const pages = [
    ...PAGES.filter((page) => page.startsWith("docs") && page !== contents),
    "docs/openapi.yaml",
  ];
  assert.ok(pages.length > 20, `only ${pages.length} found`);
  const inDocs = listed.filter((target) => target.startsWith("docs"));
  assert.deepEqual(inDocs.toSorted(), pages.toSorted());
});

Deno.test("every example has a README of at most fifteen lines, and is listed", () => {
  const contents = join("examples", "README.md");
  const listed = localLinks(contents).map((link) => targetOf(contents, link))
    .filter((target) => target.startsWith("examples"));
  const readmes = PAGES.filter((page) => page.startsWith("examples") && page !== contents);
  assert.deepEqual(listed.toSorted(), readmes.toSorted());
  for (const page of readmes) {
    assert.ok(read(page).trimEnd().split("\n").length <= 15, page);
  }
});

Deno.test("llms.txt begins with a title and a summary, and its lists hold links alone", () => {
  const lines = read("llms.txt").split("\n");
  assert.match(lines[0]!, /^# Penstock$/);
  assert.ok(lines.some((line) => line.startsWith("> ")));
  const items = lines.filter((line) => line.startsWith("- "));
  assert.ok(items.length > 10);
  for (const item of items) assert.match(item, /^- \[[^\]]+\]\([^)]+\): ./);
});

Deno.test("every relative link in the README and docs/ leads somewhere", () => {
  assert.deepEqual(PAGES.flatMap(brokenLinks), []);
  assert.equal(anchorOf("More cores: `--workers`"), "more-cores---workers");
});

Deno.test("every `deno task test` and `deno task` that the docs name is there", () => {
  const tests = readdirSync(join(ROOT, "tests"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("_test.ts")).map((name) => `tests/${name}`);
  const { tasks } = JSON.parse(read("deno.json")) as { tasks: Record<string, string> };
  const missing = PAGES.flatMap((path) =>
    [...read(path).matchAll(/deno(?:@[\d.]+)? task ([a-z]+)(?: ([a-z_/]+)\b)?/g)]
      .filter(([, task, filter]) =>
        !(task! in tasks) ||
        (task === "test" && filter !== undefined && !tests.some((name) => name.includes(filter)))
      )
      .map(([text]) => `${path}: ${text}`)
  );
  assert.deepEqual(missing, []);
});

Deno.test("the README has at most 150 lines", () => {
  assert(read("README.md").trimEnd().split("\n").length <= 150);
});
