/**
 * The process id that a connection was greeted with. PostgreSQL names the session's own process; a
 * connection pooler makes a number up, and that is how it is noticed. postgres.js keeps the number
 * for cancelling statements, and hands it out with each result without declaring it.
 */

interface Result {
  readonly state: { readonly pid: number };
}

/** @param rows a result of postgres.js */
export function greetedProcessId(rows: readonly unknown[]): number {
  return (rows as unknown as Result).state.pid;
}
