/** The API of access tokens, `__ds/tokens`: an extension, for holders of `admin`. */
import type { Access } from "../access/access.ts";
import { type AccessToken, isTokenName, TOKEN_NAME_RULE } from "../access/access_tokens.ts";
import type { Principal } from "../access/principal.ts";
import { parseRules, type Rule, textOfRule } from "../access/rules.ts";
import { invalidRequest } from "../errors.ts";
import { respondRefusal } from "./error_responses.ts";
import type { RequestBodies } from "./request_body.ts";
import { respond, respondJson } from "./respond.ts";
import { parseObject } from "./subscription_bodies.ts";

const LARGEST_BODY = 64 << 10;
const LATEST_MS = 253_402_300_799_000; // the end of the year 9999

export interface TokenParts {
  readonly access: Access;
  readonly bodies: RequestBodies;
}

/** @param name what follows `__ds/tokens/`, or null */
export async function tokens(
  { access, bodies }: TokenParts,
  request: Request,
  holder: Principal,
  name: string | null,
): Promise<Response> {
  if (!access.enabled) {
    return respondRefusal({ kind: "unknown_path", message: "access control is off" });
  }
  const { method } = request;
  if (name !== null) {
    if (method !== "DELETE") {
      return respondRefusal({ kind: "method_not_allowed", allowed: "DELETE" });
    }
    await access.revokeToken(holder, parseName(name));
    return respond(204);
  }
  if (method === "POST") {
    const token = parseToken(parseObject(await bodies.read(request, LARGEST_BODY)));
    const { secret, stored } = await access.createToken(holder, token);
    return respondJson(201, { ...shown(stored), token: secret });
  }
  if (method === "GET" || method === "HEAD") {
    return respondJson(200, { tokens: (await access.listTokens(holder)).map(shown) });
  }
  return respondRefusal({ kind: "method_not_allowed", allowed: "GET, HEAD, POST" });
}

function shown({ name, rules, createdAtMs, expiresAtMs }: AccessToken) {
  return {
    name,
    rules: rules.map(textOfRule),
    created_at: new Date(createdAtMs).toISOString(),
    expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

function parseToken(body: Readonly<Record<string, unknown>>) {
  const { name, rules, expires_at: expiresAt, ...others } = body;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw invalidRequest(`a token has name, rules and expires_at, and no other members`);
  }
  if (typeof name !== "string") throw invalidRequest("name is a string");
  return {
    name: parseName(name),
    rules: parseRuleList(rules),
    expiresAtMs: parseExpiry(expiresAt),
  };
}

function parseName(name: string): string {
  if (isTokenName(name)) return name;
  throw invalidRequest(TOKEN_NAME_RULE);
}

function parseRuleList(value: unknown): readonly Rule[] {
  if (!Array.isArray(value) || value.length === 0 || !value.every((v) => typeof v === "string")) {
    throw invalidRequest("rules is an array of rules, such as read,append:chat/**");
  }
  const rules = parseRules(value);
  if (typeof rules === "string") throw invalidRequest(rules);
  return rules;
}

/** Milliseconds since 1970; null: never. */
function parseExpiry(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const time = typeof value === "string" && /^\d{4}-\d{2}-\d{2}T/.test(value)
    ? Date.parse(value)
    : NaN;
  if (time > 0 && time <= LATEST_MS) return time;
  throw invalidRequest("expires_at is an RFC 3339 time");
}
