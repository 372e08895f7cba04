/** The examples that are npm packages, with their packages beside them but outside the repository. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { installNpmPackages, NPM, type Packages } from "../clients/packages.ts";
import { findProgram } from "../support/programs/program.ts";
import { freePort } from "../system/support.ts";
import { ExampleProcess, EXAMPLES } from "./example_process.ts";

export const NPM_EXAMPLES = ["ai_answer", "shared_list", "yjs_document"] as const;
export type NpmExample = typeof NPM_EXAMPLES[number];

export function dependenciesOf(example: NpmExample): Record<string, string> {
  const manifest = readFileSync(join(EXAMPLES, example, "package.json"), "utf8");
  return (JSON.parse(manifest) as { dependencies: Record<string, string> }).dependencies;
}

/** One installation for all examples: a probe of docs/clients.md has the same version as they. */
export function installExamples(): Promise<Packages> {
  if (findProgram("node") === undefined) {
    return Promise.resolve({ missing: "node is not installed" });
  }
  const all = NPM_EXAMPLES.map(dependenciesOf);
  return installNpmPackages({ ...NPM, ...Object.assign({}, ...all) });
}

export interface RunningExample extends AsyncDisposable {
  readonly url: string;
}

/** `npm start` of the example, which is copied to where its packages are. */
export async function startExample(
  example: NpmExample,
  { packages, server }: { readonly packages: Packages; readonly server: string },
): Promise<RunningExample> {
  if ("missing" in packages) throw new Error(packages.missing);
  const cwd = mkdtempSync(join(packages.folder, `${example}-`));
  cpSync(join(EXAMPLES, example), cwd, {
    recursive: true,
    filter: (path) => !path.includes("node_modules"),
  });
  const port = String(await freePort());
  const child = new ExampleProcess("node", ["server.js"], {
    cwd,
    env: { PORT: port, PENSTOCK_URL: `${server}/v1/stream`, WORD_MS: "150" },
  });
  const stop = async () => {
    await child.kill();
    rmSync(cwd, { recursive: true });
  };
  try {
    await child.printed(/^open /m);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://localhost:${port}`, [Symbol.asyncDispose]: stop };
}
