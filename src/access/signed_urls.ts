/**
 * Signed URLs: the right to read one stream, or to append to it, until a time, for what cannot send a
 * header. The signature is an HMAC (RFC 2104, SHA-256) over the key's id, the namespace, the operation,
 * the path and the expiry. Offsets and modes of reading are not covered: the holder chooses them.
 */
import { Buffer } from "node:buffer";
import { Refused } from "../errors.ts";
import type { UrlKey } from "./url_keys.ts";

/** What a URL can be signed for. */
export const SIGNED_OPERATIONS = ["read", "append"] as const;
export type SignedOperation = typeof SIGNED_OPERATIONS[number];

/** What is signed: a path as the key's namespace names it, and seconds since 1970. */
export interface Grant {
  readonly operation: SignedOperation;
  readonly path: string;
  readonly expires: number;
}

/** A grant as a request brings it. */
export interface SignedRequest extends Grant {
  readonly keyId: string;
  readonly signature: string;
}

/** What the query of a signed URL has, beside what its holder adds. */
export const SIGNATURE_PARAMETERS = ["expires", "key", "signature"] as const;

const SIGNATURE = /(?:^|&)signature=/;
/** Where another Penstock could read the same bytes as something else, this differs. */
const PURPOSE = "penstock signed url 1";

/** Whether a request brings a signature, good or not. */
export function carriesSignature(query: string): boolean {
  return query !== "" && SIGNATURE.test(query);
}

/** The query of the URL, without `?`. */
export async function signGrant(grant: Grant, key: UrlKey): Promise<string> {
  const bytes = await crypto.subtle.sign("HMAC", await importKey(key, "sign"), textOf(grant, key));
  const signature = Buffer.from(bytes).toString("base64url");
  return `expires=${grant.expires}&key=${key.id}&signature=${signature}`;
}

/** In constant time. */
export async function isSignedBy(key: UrlKey, request: SignedRequest): Promise<boolean> {
  const signature = Buffer.from(request.signature, "base64url");
  return await crypto.subtle.verify(
    "HMAC",
    await importKey(key, "verify"),
    signature,
    textOf(request, key),
  );
}

/**
 * What a query says of a request for this operation and path. Each parameter once, or it would depend
 * on the reader which one counts.
 * @throws Refused `credentials_invalid`
 */
export function parseSignature(
  query: string,
  { operation, path }: Pick<Grant, "operation" | "path">,
): SignedRequest {
  const parameters = new URLSearchParams(query);
  const one = (name: string, form: RegExp): string => {
    const values = parameters.getAll(name);
    if (values.length === 1 && form.test(values[0]!)) return values[0]!;
    throw invalidSignature();
  };
  return {
    operation,
    path,
    expires: Number(one("expires", /^[1-9]\d{0,11}$/)),
    keyId: one("key", /^[A-Za-z0-9_-]{22}$/),
    signature: one("signature", /^[A-Za-z0-9_-]{43}$/),
  };
}

/** Says the same of an unknown key, a revoked one, and a signature of something else. */
export function invalidSignature(): Refused {
  return new Refused({
    kind: "credentials_invalid",
    message: "the signature of the URL is not valid for this, or its key was revoked",
  });
}

function textOf(
  { operation, path, expires }: Grant,
  { id, namespace }: UrlKey,
): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(
    JSON.stringify([PURPOSE, id, namespace, operation, path, expires]),
  );
}

function importKey({ secret }: UrlKey, usage: "sign" | "verify"): Promise<CryptoKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", Buffer.from(secret, "base64url"), algorithm, false, [
    usage,
  ]);
}
