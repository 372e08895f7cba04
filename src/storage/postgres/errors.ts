/** Translates errors of postgres.js and PostgreSQL into those that the rest of Penstock handles. */
import {
  DatabaseExhausted,
  DatabaseUnavailable,
  OUT_OF_MEMORY,
  StatementTimeout,
} from "../database.ts";

/** Too many connections: the statement was never sent, so it can be sent again. */
export const NO_CONNECTION_LEFT = "53300";
/** The server is not the primary any more, so all connections to it have to be replaced. */
export const READ_ONLY = "25006";

/** The server cancelled the statement because of `statement_timeout`. */
const STATEMENT_TIMEOUT = "57014";
/** SQLSTATE classes and codes of conditions that may pass. */
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
  // What the system and the driver call it says less than the message.
  if (CONNECTION.test(code)) return new DatabaseUnavailable(message, { cause: error });
  if (!UNAVAILABLE.test(code)) return error;
  const Unavailable = code === OUT_OF_MEMORY ? DatabaseExhausted : DatabaseUnavailable;
  return new Unavailable(`${code}: ${message}`, { cause: error });
}

/** A SQLSTATE, or a code of postgres.js or the system. */
export function codeOf(error: unknown): string | undefined {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}
