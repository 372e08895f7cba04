/**
 * drizzle's query builder over either database, for queries that are not hot. Its proxy driver
 * builds the SQL and maps the rows, and leaves running the SQL to us: so these queries have the
 * same time limits and errors as all others.
 */
import { DrizzleQueryError } from "drizzle-orm/errors";
import { drizzle } from "drizzle-orm/pg-proxy";
import type { Drizzle, Parameter } from "./database.ts";

/**
 * The form of a row: drizzle's builder maps arrays to objects itself, and raw SQL needs objects.
 */
export type RowMode = "array" | "object";

export type Run = (
  statement: string,
  parameters: readonly Parameter[],
  rowMode: RowMode,
) => Promise<unknown[]>;

/** A query builder whose queries `run` sends. */
export function drizzleOver(run: Run): Drizzle {
  return drizzle(async (statement, parameters, method) => ({
    rows: await run(statement, parameters.map(asParameter), method === "all" ? "array" : "object"),
  }));
}

/**
 * The result of drizzle's work, or the database's own error in the place of drizzle's, whose
 * message repeats the statement and its parameters: private keys are among those.
 */
export async function unwrapped<T>(work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof DrizzleQueryError ? error.cause ?? error : error;
  }
}

/** drizzle passes parameters of our own types, and dates and bigints. */
function asParameter(value: unknown): Parameter {
  if (value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  return typeof value === "bigint" ? String(value) : value as Parameter;
}
