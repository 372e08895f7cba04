/**
 * Holds the shape of the sources: which folder may import which, no circles, files of a size one
 * can read, and the runtimes' own APIs in the seam files alone.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname ?? ".", "..");
const MAX_LINES = 400;
const SEAMS = [
  "src/http/server.ts",
  "src/storage/pglite/file_lock.ts",
  "src/platform.ts",
];

/** Put the parts together: may import anything, and only the next one up imports them. */
const ASSEMBLY: Record<string, readonly string[]> = {
  "main.ts": [],
  "src/node.ts": ["src/cli/serve.ts"],
};

/** What the files of a folder of src may import besides each other and the root files of src. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  cli: [
    "client",
    "access",
    "streams",
    "subscriptions",
    "transfer",
    "storage",
    "telemetry",
    "tracing",
    "lib",
  ],
  client: ["lib"],
  // For browsers: a program of its own, which shows what rules allow, and knows the rest by URLs.
  inspector: ["access"],
  http: [
    "protocol",
    "access",
    "streams",
    "subscriptions",
    "transfer",
    "storage",
    "telemetry",
    "lib",
  ],
  access: ["protocol", "storage", "telemetry", "lib"],
  subscriptions: ["access", "streams", "protocol", "storage", "telemetry", "lib"],
  transfer: ["storage", "telemetry", "lib"],
  tracing: ["telemetry", "lib"],
  metrics: ["storage", "telemetry", "lib"],
  streams: ["protocol", "storage", "telemetry", "lib"],
  storage: ["telemetry", "lib"],
  telemetry: ["lib"],
  protocol: ["lib"],
  lib: [],
  ".": [],
};

interface Module {
  specifier: string;
  dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
}

/** Paths from the root of the repository, of a file to those it imports. */
type Graph = Map<string, Set<string>>;

const sources = ["main.ts", ...filesOf("src")];
const graph = readGraph();

function filesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();
}

function readGraph(): Graph {
  const found: Graph = new Map();
  addModules(found, "main.ts");
  // What main.ts does not reach (an entry of its own, or not wired up yet) is held to the same.
  for (const file of sources) if (!found.has(file)) addModules(found, file);
  return found;
}

function addModules(found: Graph, entry: string): void {
  const output = execFileSync(process.execPath, ["info", "--json", entry], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const local = (specifier: string | undefined) =>
    specifier?.startsWith(pathToFileURL(ROOT).href)
      ? relative(pathToFileURL(ROOT).pathname, new URL(specifier).pathname).replaceAll("\\", "/")
      : undefined;
  for (const module of (JSON.parse(output) as { modules: Module[] }).modules) {
    const path = local(module.specifier);
    if (path === undefined || path.startsWith("node_modules/")) continue;
    const imported = new Set<string>();
    for (const { code, type } of module.dependencies ?? []) {
      for (const target of [local(code?.specifier), local(type?.specifier)]) {
        if (target !== undefined && sources.includes(target)) imported.add(target);
      }
    }
    found.set(path, imported);
  }
}

/** `src/http/routes.ts` is of `http`, `src/errors.ts` of `.`. */
function folderOf(path: string): string {
  const parts = path.split("/");
  return parts.length < 3 ? "." : parts[1] ?? ".";
}

function mayImport(file: string, target: string): boolean {
  const importers = ASSEMBLY[target];
  if (importers !== undefined) return importers.includes(file);
  if (file in ASSEMBLY) return true;
  const from = folderOf(file);
  const to = folderOf(target);
  return to === "." || to === from || MAY_IMPORT[from]?.includes(to) === true;
}

/** The first circle found, as the paths along it. */
function findCircle(edges: Graph): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      const circle = visit(next);
      if (circle !== undefined) return circle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

/** Without comments, and with string literals emptied. */
function codeOf(source: string): string {
  const tokens =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return source.replace(tokens, (token) => {
    if (token.startsWith("/")) return " ";
    return token.startsWith("`") ? token : '""';
  });
}

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

Deno.test("imports run one way through the folders of src", () => {
  const wrong: string[] = [];
  for (const [file, imported] of graph) {
    const folder = folderOf(file);
    assert(folder in MAY_IMPORT, `${file}: no rule says what ${folder} may import`);
    for (const target of imported) {
      if (!mayImport(file, target)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert(!mayImport("src/storage/a.ts", "src/http/b.ts") && !mayImport("src/a.ts", "main.ts"));
});

Deno.test("every source file is in the graph, and no import leads in a circle", () => {
  assert.deepEqual(sources.filter((file) => !graph.has(file)), []);
  assert.equal(findCircle(graph)?.join(" -> "), undefined);
  assert.equal(findCircle(new Map([["a", new Set(["b"])], ["b", new Set(["a"])]]))?.length, 3);
});

Deno.test(`no source file is longer than ${MAX_LINES} lines`, () => {
  const long = sources
    .map((file) => ({ file, lines: read(file).trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(long, []);
});

Deno.test("only the seam files name the runtimes' own APIs", () => {
  const named =
    /\b(?:Deno|Bun)\s*(?:\?\.|\.|\[)|\bglobalThis\s*(?:\?\.|\.|\[\s*["'])(?:Deno|Bun)\b/;
  const naming = sources.filter((file) => !SEAMS.includes(file))
    .filter((file) => named.test(codeOf(read(file))));
  assert.deepEqual(naming, []);
  assert(named.test(codeOf("await Deno.serve()")) && !named.test(codeOf("// as Deno.serve does")));
});

Deno.test("deno.lock holds no package that deno.json does not name", () => {
  // Whatever it holds, `deno task start` installs before it serves: the conformance suite and the
  // PostgreSQL for tests are 150 MB, and locked in tests/tools.lock for that reason.
  const config = JSON.parse(read("deno.json")) as {
    imports: Record<string, string>;
    compilerOptions: { types: string[] };
  };
  const lock = JSON.parse(read("deno.lock")) as { specifiers: Record<string, string> };
  const named = [...Object.values(config.imports), ...config.compilerOptions.types];
  assert.deepEqual(Object.keys(lock.specifiers).filter((name) => !named.includes(name)), []);
});
