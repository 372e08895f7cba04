/** How far an import has come, in a file: a line of JSON for each step, of which a path's last counts. */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { usageError } from "./exit_codes.ts";

/** A place in a source: an offset of its own, and how many messages or bytes behind that. */
export interface SourcePlace {
  readonly source: string;
  readonly given: number;
}

/** All before `source` and `given` is stored, and the copy then ended at `target`. */
export interface Imported extends SourcePlace {
  readonly path: string;
  readonly target: string;
  /** An append that was sent: what it leads to, if it arrived. */
  readonly pending: SourcePlace | null;
}

export class ImportState {
  readonly #imported = new Map<string, Imported>();
  readonly #file: number;

  constructor(file: string, from: string) {
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    for (const [at, line] of lines.entries()) {
      if (line === "") continue;
      let parsed: Imported & { readonly from?: string };
      try {
        parsed = JSON.parse(line) as typeof parsed;
      } catch {
        // The last line may be half written; what it says is then found out from the copy.
        if (at === lines.length - 1) break;
        throw usageError(`${file} is no state of an import`);
      }
      if (at === 0 && parsed.from !== from) {
        throw usageError(`${file} is of an import from ${parsed.from ?? "elsewhere"}`);
      }
      if (at > 0) this.#imported.set(parsed.path, parsed);
    }
    this.#file = openSync(file, "a");
    if (lines.length === 0) this.#write({ from });
    else if (lines.at(-1) !== "") writeSync(this.#file, "\n");
  }

  get(path: string): Imported | undefined {
    return this.#imported.get(path);
  }

  /** Resolves nothing: when it returns, the step is on the disk. */
  set(imported: Imported): void {
    this.#imported.set(imported.path, imported);
    this.#write(imported);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    fsyncSync(this.#file);
  }
}
