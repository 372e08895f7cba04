/** The API of access tokens, `__ds/tokens`: an extension, for holders of `admin`. */
import type { Access } from "../access/access.ts";
import { type AccessToken, isTokenName, TOKEN_NAME_RULE } from "../access/access_tokens.ts";
import {
  type Namespace,
  NO_NAMESPACE,
  outerName,
  parseNamespace,
  relativeNamespace,
  storedName,
} from "../access/namespaces.ts";
import type { Principal } from "../access/principal.ts";
import { parseRules, type Rule, textOfRule } from "../access/rules.ts";
import { invalidRequest } from "../errors.ts";
import { respondMethodNotAllowed, respondRefusal } from "./error_responses.ts";
import type { BodyReader } from "./request_body.ts";
import { respond, respondJson } from "./respond.ts";
import { parseObject } from "./subscription_bodies.ts";

const LARGEST_BODY = 64 << 10;
const LATEST_MS = 253_402_300_799_000; // the end of the year 9999

export interface TokenParts {
  readonly access: Access;
  readonly bodies: BodyReader;
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
      return respondMethodNotAllowed("DELETE");
    }
    await access.revokeToken(holder, parseQualifiedName(name));
    return respond(204);
  }
  if (method === "POST") {
    const token = parseToken(parseObject(await bodies.read(request, LARGEST_BODY)));
    const { secret, stored } = await access.createToken(holder, token);
    return respondJson(201, { ...shown(stored, holder), token: secret });
  }
  if (method === "GET" || method === "HEAD") {
    return respondJson(200, {
      tokens: (await access.listTokens(holder)).map((token) => shown(token, holder)),
    });
  }
  return respondMethodNotAllowed("GET, HEAD, POST");
}

/** As the holder says the name and the namespace. */
function shown(
  { name, namespace, rules, createdAtMs, expiresAtMs }: AccessToken,
  holder: Principal,
) {
  return {
    name: outerName(holder.namespace, name),
    namespace: relativeNamespace(holder.namespace, namespace) || null,
    rules: rules.map(textOfRule),
    created_at: new Date(createdAtMs).toISOString(),
    expires_at: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

function parseToken(body: Readonly<Record<string, unknown>>) {
  const { name, namespace, rules, expires_at: expiresAt, ...others } = body;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw invalidRequest("a token has name, namespace, rules and expires_at, and no other members");
  }
  if (typeof name !== "string") throw invalidRequest("name is a string");
  return {
    name: parseName(name),
    namespace: parseNamespaceMember(namespace),
    rules: parseRuleList(rules),
    expiresAtMs: parseExpiry(expiresAt),
  };
}

function parseName(name: string): string {
  if (isTokenName(name)) return name;
  throw invalidRequest(TOKEN_NAME_RULE);
}

/** Names of tokens that tenants made begin with the tenant's namespace: `acme/ci`. */
function parseQualifiedName(raw: string): string {
  const slash = raw.lastIndexOf("/");
  const name = parseName(raw.slice(slash + 1));
  if (slash === -1) return name;
  let text: string;
  try {
    text = decodeURIComponent(raw.slice(0, slash));
  } catch {
    throw invalidRequest(TOKEN_NAME_RULE);
  }
  const parsed = parseNamespace(text);
  if (typeof parsed === "string") throw invalidRequest(parsed);
  return storedName(parsed.namespace, name);
}

function parseNamespaceMember(value: unknown): Namespace {
  if (value === undefined || value === null) return NO_NAMESPACE;
  const parsed = typeof value === "string" ? parseNamespace(value) : "namespace is a string";
  if (typeof parsed === "string") throw invalidRequest(parsed);
  return parsed.namespace;
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
export function parseExpiry(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  const time = typeof value === "string" && /^\d{4}-\d{2}-\d{2}T/.test(value)
    ? Date.parse(value)
    : NaN;
  if (time > 0 && time <= LATEST_MS) return time;
  throw invalidRequest("expires_at is an RFC 3339 time");
}
