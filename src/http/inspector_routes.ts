/**
 * The inspector: a page at `/_penstock/` that shows what this server holds. It is static, and is
 * served to everyone. All that it shows, its script asks for by the same routes as any other
 * client, with the token that a person has given it.
 */
import type { Access } from "../access/access.ts";
import type { Principal } from "../access/principal.ts";
import { VERSION } from "../version.ts";
import { respondMethodNotAllowed } from "./error_responses.ts";
import { type Asset, findAsset, indexPage } from "./inspector_assets.ts";
import { type HeaderList, NO_STORE, respond, respondJson } from "./respond.ts";

/** `read-only`: the page offers nothing that writes. */
export type InspectorMode = "on" | "read-only" | "off";

export const INSPECTOR_PREFIX = "/_penstock/";
const ASSETS = `${INSPECTOR_PREFIX}assets/`;
export const SESSION_PATH = `${INSPECTOR_PREFIX}session`;

/**
 * Nothing but this page's own script and styles runs, nothing is fetched from elsewhere, nobody may
 * frame it, and no text can be turned into HTML by its script: Chromium enforces the last by
 * trusted types, of which no policy may be made.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const SECURITY: HeaderList = [
  ["Content-Security-Policy", CONTENT_SECURITY_POLICY],
  ["Referrer-Policy", "no-referrer"],
  ["X-Frame-Options", "DENY"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
];

/** Whether a path, as sent, is the inspector's, or the root that leads a browser there. */
export function isInspectorPath(path: string): boolean {
  return path === "/" || path === "/_penstock" ||
    path.startsWith(INSPECTOR_PREFIX);
}

export interface InspectorParts {
  readonly access: Access;
  readonly inspector: InspectorMode;
}

/**
 * Answers a request to a path of which `isInspectorPath` is true; null where there is nothing at
 * it.
 * @param principal null: there is no access control
 */
export function inspector(
  { access, inspector: mode }: InspectorParts,
  request: Request,
  path: string,
  principal: Principal | null,
): Response | null {
  const { method, headers } = request;
  // To a program that calls the root, the list of what is served here is of more use.
  if (mode === "off" || (path === "/" && !acceptsHtml(headers))) return null;
  if (method !== "GET" && method !== "HEAD") {
    return respondMethodNotAllowed("GET, HEAD");
  }
  if (path === "/" || path === "/_penstock") {
    // Relative, so that it holds behind a proxy that adds a prefix.
    return respond(302, [["Location", "_penstock/"], [
      "Cache-Control",
      NO_STORE,
    ]]);
  }
  if (path === INSPECTOR_PREFIX) {
    return respondAsset(indexPage, request, "no-cache");
  }
  if (path === SESSION_PATH) return session(access, mode, principal);
  const asset = path.startsWith(ASSETS) ? findAsset(path.slice(ASSETS.length)) : null;
  if (asset === null) return null;
  return respondAsset(asset, request, "public, max-age=31536000, immutable");
}

/** What the page has to know of its server, and of the token that it holds. */
function session(
  access: Access,
  mode: Exclude<InspectorMode, "off">,
  principal: Principal | null,
): Response {
  return respondJson(200, {
    version: VERSION,
    mode,
    access_control: access.enabled,
    principal: principal === null ? null : {
      name: principal.name,
      rules: principal.ruleTexts,
      expires_at: expiryOf(principal),
    },
  });
}

function expiryOf({ expiresAtMs }: Principal): string | null {
  return expiresAtMs === null ? null : new Date(expiresAtMs).toISOString();
}

function acceptsHtml(headers: Headers): boolean {
  return headers.get("accept")?.includes("text/html") === true;
}

function respondAsset(
  asset: Asset,
  request: Request,
  cacheControl: string,
): Response {
  const gzip = request.headers.get("accept-encoding")?.includes("gzip") === true;
  const headers: HeaderList = [
    ["Content-Type", asset.contentType],
    ["Cache-Control", cacheControl],
    ["Vary", "Accept-Encoding"],
    ...SECURITY,
  ];
  if (gzip) headers.push(["Content-Encoding", "gzip"]);
  const body = gzip ? asset.gzipped() : asset.bytes;
  if (request.method !== "HEAD") return respond(200, headers, body);
  return respond(200, [...headers, ["Content-Length", String(body.length)]]);
}
