/** The ways a request to the subscription APIs can be refused; `http` gives each its status. */

export type RefusalCode =
  | "INVALID_REQUEST"
  | "WEBHOOK_URL_REJECTED"
  | "TOKEN_INVALID"
  | "TOKEN_EXPIRED"
  | "SUBSCRIPTION_NOT_FOUND"
  | "SUBSCRIPTION_ALREADY_EXISTS"
  | "ALREADY_CLAIMED"
  | "NO_PENDING_WORK"
  | "INVALID_OFFSET"
  | "FENCED";

/** Thrown by the domain, answered by `http/subscription_answers.ts`. */
export class SubscriptionRefused extends Error {
  override name = "SubscriptionRefused";

  /** @param details further members of the error's body: ALREADY_CLAIMED names the holder */
  constructor(
    readonly code: RefusalCode,
    message: string,
    readonly details: Readonly<Record<string, string | number>> = {},
  ) {
    super(message);
  }
}

export function invalidRequest(message: string): SubscriptionRefused {
  return new SubscriptionRefused("INVALID_REQUEST", message);
}

export function notFound(): SubscriptionRefused {
  return new SubscriptionRefused("SUBSCRIPTION_NOT_FOUND", "there is no such subscription");
}

export function fenced(): SubscriptionRefused {
  return new SubscriptionRefused("FENCED", "this wake is no longer the subscription's current one");
}
