/** The one table from what subscriptions refuse to HTTP. */
import type { RefusalCode, SubscriptionRefused } from "../subscriptions/refusal.ts";
import { type HeaderList, NO_STORE, respond } from "./respond.ts";

const STATUS: Readonly<Record<RefusalCode, number>> = {
  INVALID_REQUEST: 400,
  WEBHOOK_URL_REJECTED: 400,
  TOKEN_INVALID: 401,
  TOKEN_EXPIRED: 401,
  SUBSCRIPTION_NOT_FOUND: 404,
  SUBSCRIPTION_ALREADY_EXISTS: 409,
  ALREADY_CLAIMED: 409,
  NO_PENDING_WORK: 409,
  INVALID_OFFSET: 409,
  FENCED: 409,
};

export function respondSubscriptionRefused(refused: SubscriptionRefused): Response {
  const status = STATUS[refused.code];
  const headers: HeaderList = [
    ["Content-Type", "application/json"],
    ["Cache-Control", NO_STORE],
  ];
  if (status === 401) headers.push(["WWW-Authenticate", "Bearer"]);
  const { code, message, details } = refused;
  return respond(status, headers, JSON.stringify({ error: { code, message, ...details } }));
}
