/** What `penstock check` finds: one line each, and what the whole of it comes to. */

export type FindingState = "ok" | "warning" | "failure";

export interface Finding {
  /** What was checked: `durability`. */
  readonly check: string;
  readonly state: FindingState;
  /** What holds, or what is wrong. Holds no secret. */
  readonly message: string;
  /** What repairs it; null where there is nothing to repair. */
  readonly fix: string | null;
}

export function ok(check: string, message: string): Finding {
  return { check, state: "ok", message, fix: null };
}

export function warning(check: string, message: string, fix: string): Finding {
  return { check, state: "warning", message, fix };
}

export function failure(check: string, message: string, fix: string): Finding {
  return { check, state: "failure", message, fix };
}

/** The worst of them. */
export function resultOf(findings: readonly Finding[]): FindingState {
  const states = findings.map(({ state }) => state);
  if (states.includes("failure")) return "failure";
  return states.includes("warning") ? "warning" : "ok";
}
