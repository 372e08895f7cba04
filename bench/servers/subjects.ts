/** Everything that can be measured, by name; fleet.ts knows how to bring each one up. */

export const SUBJECTS = {
  "empty-deno": "empty handler, Deno",
  "empty-bun": "empty handler, Bun",
  "deno+postgres": "Penstock, Deno + PostgreSQL",
  "deno+embedded": "Penstock, Deno + embedded",
  "binary+postgres": "Penstock binary + PostgreSQL",
  "binary+embedded": "Penstock binary + embedded",
  "deno+postgres, 2 workers": "Penstock, Deno + PostgreSQL, 2 workers",
  "binary+postgres, 2 workers": "Penstock binary + PostgreSQL, 2 workers",
  "official-file": "official server, files",
  "official-memory": "official server, memory",
  "rust": "Electric's server in Rust",
  "postgres": "PostgreSQL alone",
  "given": "the server at --url",
} as const;

export type SubjectId = keyof typeof SUBJECTS;

export const EMPTY: readonly SubjectId[] = ["empty-deno", "empty-bun"];
export const PENSTOCK: readonly SubjectId[] = [
  "deno+postgres",
  "deno+embedded",
  "binary+postgres",
  "binary+embedded",
];
/** Two nodes on one port: each appears beside its one-node kind. */
export const WORKERS: readonly SubjectId[] = [
  "deno+postgres, 2 workers",
  "binary+postgres, 2 workers",
];
export const OFFICIAL: readonly SubjectId[] = ["official-file", "official-memory"];

/** Why a subject cannot be measured here, which is no fault of the run's. */
export class LeftOut extends Error {}

/** One that is up, and alone on the machine for as long as it is measured. */
export interface Subject {
  readonly id: SubjectId;
  /** `http://127.0.0.1:PORT`; empty for `postgres`, which no scenario speaks HTTP to. */
  readonly url: string;
  /** Absent for several workers, for `postgres` (see `Fleet.postgresPids`) and `given`. */
  readonly pid?: number;
  /** The database under it, for what is seeded or compared there. */
  readonly databaseUrl?: string;
  /** True when the subject is answered by PostgreSQL's processes too. */
  readonly onPostgres: boolean;
}
