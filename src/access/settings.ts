/** What turns access control on, and the files it reads at the start. */
import { readFileSync } from "node:fs";
import { type JwtSettings, readSecret } from "./jwt_verifier.ts";
import type { NamespaceTemplate, RuleTemplate } from "./rule_templates.ts";
import type { Rule } from "./rules.ts";

export interface AccessSettings {
  /** Access control without another setting: the first token is made at the first start. */
  readonly accessOn: boolean;
  /** The file holds the token itself. Null: there is no such token. */
  readonly adminTokenFile: string | null;
  readonly jwtSecretFile: string | null;
  readonly jwtPublicKeyFile: string | null;
  readonly jwtJwksUrl: string | null;
  readonly jwtIssuer: string | null;
  readonly jwtAudience: string | null;
  readonly jwtClaim: string;
  readonly jwtRules: readonly RuleTemplate[];
  readonly jwtNamespaceClaim: string;
  readonly jwtNamespace: NamespaceTemplate | null;
  /** What requests without a token may do. */
  readonly anonymous: readonly Rule[];
}

/** Long enough not to be guessed; printable, and without spaces, for it travels in a header. */
const ADMIN_TOKEN = /^[\x21-\x7e]{32,512}$/;

/** Whether the settings ask for access control. */
export function asksForAccess(settings: AccessSettings): boolean {
  return settings.accessOn || settings.adminTokenFile !== null || settings.anonymous.length > 0 ||
    verifiesJwts(settings);
}

export function verifiesJwts(settings: AccessSettings): boolean {
  const { jwtSecretFile, jwtPublicKeyFile, jwtJwksUrl } = settings;
  return jwtSecretFile !== null || jwtPublicKeyFile !== null || jwtJwksUrl !== null;
}

/** @throws Error with a sentence for the operator, which does not hold the token */
export function readAdminToken(file: string): string {
  const token = readFile(file).trim();
  if (ADMIN_TOKEN.test(token)) return token;
  throw new Error(`${file} holds no token: 32 to 512 printable characters without spaces`);
}

/** @throws Error with a sentence for the operator */
export function jwtSettings(settings: AccessSettings): JwtSettings {
  const { jwtSecretFile, jwtPublicKeyFile } = settings;
  return {
    secret: jwtSecretFile === null ? null : readSecret(readFile(jwtSecretFile)),
    publicKey: jwtPublicKeyFile === null ? null : readFile(jwtPublicKeyFile),
    jwksUrl: settings.jwtJwksUrl,
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    claim: settings.jwtClaim,
    templates: settings.jwtRules,
    namespaceClaim: settings.jwtNamespaceClaim,
    namespaceTemplate: settings.jwtNamespace,
  };
}

function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Error(`${file} cannot be read`, { cause });
  }
}
