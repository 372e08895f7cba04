/** The bench's files import each other one way: no circles, of types neither. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** Files of `folder` to the files of it that each imports, as paths from the repository's root. */
function importsWithin(folder: string): Map<string, string[]> {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    // Servers of other projects are installed below results.
    .filter((name) => name.endsWith(".ts") && !name.startsWith("results"))
    .map((name) => join(folder, name));
  const imports = files.map((file): [string, string[]] => {
    const source = readFileSync(join(ROOT, file), "utf8");
    const targets = [...source.matchAll(/^(?:import|export|\})[^"\n]*"(\.[^"\n]+)";$/gm)]
      .map(([, target = ""]) => relative(ROOT, join(ROOT, dirname(file), target)));
    return [file, targets.filter((target) => files.includes(target))];
  });
  return new Map(imports);
}

/** The first circle found, as the files along it. */
function findCircle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of edges.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle !== undefined) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of edges.keys()) {
    const circle = visit(file, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

Deno.test("no file of the bench imports itself through others", () => {
  const imports = importsWithin("bench");
  assert.ok(imports.get("bench/run.ts")?.includes("bench/rounds.ts"));
  assert.ok(imports.get("bench/load/wrk.ts")?.includes("bench/load/load_task.ts"));
  assert.deepEqual(findCircle(imports), undefined);
});

Deno.test("a circle is found wherever it begins", () => {
  const edges = new Map([["a", ["b"]], ["b", ["c"]], ["c", ["d", "b"]], ["d", []]]);
  assert.deepEqual(findCircle(edges), ["b", "c", "b"]);
  assert.deepEqual(findCircle(new Map([["a", ["b"]], ["b", []]])), undefined);
});
