/** A test file as a job. What it needs is said in the file itself, in a line that begins "// Runs". */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Company, type Job, type Outcome, ROOT, runDeno } from "./job.ts";

export interface Needs {
  readonly company: Company;
  readonly afterCompile: boolean;
}

const MARKER = /^\/\/ Runs (.*)$/gm;
const MEANINGS: Readonly<Record<string, Partial<Needs>>> = {
  "alone": { company: "alone" },
  "quietly": { company: "quiet" },
  "after compile": { afterCompile: true },
};

/**
 * Reads a file's markers, such as `// Runs alone: it measures the memory of a process.`
 * @throws if a marker is unknown or gives no reason
 */
export function needsOf(source: string): Needs {
  let needs: Needs = { company: "any", afterCompile: false };
  for (const [line, text = ""] of source.matchAll(MARKER)) {
    const [what = "", reason = ""] = text.split(": ");
    const meaning = MEANINGS[what];
    if (meaning === undefined || reason === "") {
      const known = Object.keys(MEANINGS).join(", ");
      throw new Error(`"${line}" is not "// Runs WHAT: REASON" with WHAT one of: ${known}`);
    }
    needs = { ...needs, ...meaning };
  }
  return needs;
}

/** @param compile the job that makes the binary, if this run has one */
export function testFile(path: string, compile: string | undefined): Job {
  const { company, afterCompile } = needsOf(readFileSync(join(ROOT, path), "utf8"));
  return {
    name: path,
    company,
    ...afterCompile && compile !== undefined ? { after: compile } : {},
    run: () => runTestFile(path),
  };
}

async function runTestFile(path: string): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "penstock-tests-"));
  const report = join(folder, "junit.xml");
  try {
    // The types are checked once for all files, by a job of its own.
    const args = ["test", "-A", "--no-check", `--junit-path=${report}`, path];
    const { succeeded, output } = await runDeno(args);
    // The counts come from the report: the output is for people.
    const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
    const count = (pattern: RegExp) => (xml.match(pattern) ?? []).length;
    const failed = count(/<(failure|error)\b/g);
    const skipped = count(/<skipped\b/g);
    const passed = count(/<testcase\b/g) - failed - skipped;
    // A file that does not load, or a leak, fails the run without failing a test.
    return { passed, failed: succeeded || failed > 0 ? failed : 1, skipped, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
