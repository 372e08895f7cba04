/** Errors of postgres.js and PostgreSQL, and what they mean to the rest of Penstock. */
import { DatabaseUnavailable, StatementTimeout } from "../database.ts";

/** Too many connections: the statement was never sent, so it can be sent again. */
export const NO_CONNECTION_LEFT = "53300";
/** The server is no primary any more, so none of its connections is worth keeping. */
export const READ_ONLY = "25006";

/** The server ended a statement whose time was up. */
const STATEMENT_TIMEOUT = "57014";
/** SQLSTATE classes and codes that say "not now", not "never". */
const UNAVAILABLE = /^(08|28|3D000|53|57P|25006|25P0[34]|58|40P01|55P03|57014)/;
/** Codes of postgres.js and of the system for broken connections. */
const CONNECTION = /^(CONNECT|CONNECTION_|E[A-Z]+$|EAI_)/;

/** The same error, or a DatabaseUnavailable with it as its cause. */
export function unavailableOr(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable) return error;
  const code = codeOf(error);
  if (code === undefined) return error;
  const { message } = error as Error;
  if (code === STATEMENT_TIMEOUT) return new StatementTimeout(message, { cause: error });
  return CONNECTION.test(code) || UNAVAILABLE.test(code)
    ? new DatabaseUnavailable(`${code}: ${message}`, { cause: error })
    : error;
}

/** A SQLSTATE, or a code of postgres.js or the system. */
export function codeOf(error: unknown): string | undefined {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}
