/**
 * The process id that the server sent when the connection was opened. PostgreSQL sends that of the
 * session's own process, and a connection pooler an invented one, which is how we detect a pooler.
 * postgres.js keeps the id for cancelling statements, and attaches it to each result without
 * declaring it in its types.
 */

interface Result {
  readonly state: { readonly pid: number };
}

/** @param rows a result of postgres.js */
export function greetedProcessId(rows: readonly unknown[]): number {
  return (rows as unknown as Result).state.pid;
}
