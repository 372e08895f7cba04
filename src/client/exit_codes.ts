/** How a command ends: the exit codes scripts may rely on, and the errors that lead to them. */

export const EXIT = {
  ok: 0,
  /** The server or the network failed, and trying again did not help. */
  failure: 1,
  /** The command line, or what it asked for, is wrong: HTTP 400, 405, 413, 415, 422. */
  usage: 2,
  /** There is no such stream, or no longer: 404 and 410. */
  notFound: 3,
  /** The stream is closed, exists otherwise, or another producer took over: 409, stale epochs. */
  conflict: 4,
  /** The token is missing, wrong, or may not do this: 401 and 403. */
  unauthorized: 5,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = typeof EXIT[keyof typeof EXIT];

/** A failure that is told in one line and ends the command with `exitCode`. */
export class ClientError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): ClientError {
  return new ClientError(EXIT.usage, message);
}

/** The exit code for an answer that is not a success. */
export function exitCodeOf(status: number): ExitCode {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 415:
    case 422:
      return EXIT.usage;
    case 401:
    case 403:
      return EXIT.unauthorized;
    case 404:
    case 410:
      return EXIT.notFound;
    case 409:
    case 412:
      return EXIT.conflict;
    default:
      return EXIT.failure;
  }
}
