/**
 * drizzle's query builder over either database, for queries that are not hot. Its proxy driver builds
 * the SQL and maps the rows; running it is left to us, so its queries keep the time limits and the
 * errors of all others.
 */
import { DrizzleQueryError } from "drizzle-orm/errors";
import { drizzle } from "drizzle-orm/pg-proxy";
import type { Drizzle, Parameter } from "./database.ts";

/** How a row is wanted: the builder maps arrays, and raw SQL gives objects. */
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
 * The result of drizzle's work, or the database's own error: drizzle's has the statement and its
 * parameters for a message, and keys are among them.
 */
export async function unwrapped<T>(work: PromiseLike<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof DrizzleQueryError ? error.cause ?? error : error;
  }
}

/** drizzle hands on what a column maps to: besides our own types, dates and bigints. */
function asParameter(value: unknown): Parameter {
  if (value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  return typeof value === "bigint" ? String(value) : value as Parameter;
}
