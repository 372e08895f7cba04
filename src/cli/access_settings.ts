/** The settings of access control, from their texts. */
import {
  type NamespaceTemplate,
  parseNamespaceTemplate,
  parseRuleTemplate,
  type RuleTemplate,
} from "../access/rule_templates.ts";
import { parseRules, type Rule, splitRules } from "../access/rules.ts";
import { type AccessSettings, verifiesJwts } from "../access/settings.ts";
import type { OptionName } from "./options.ts";
import { oneOf } from "./setting_values.ts";

/** Reads one option; what `parse` throws is reported with the option's name. */
type Read = <T>(name: OptionName, parse: (text: string) => T) => T;

export function parseAccess(read: Read): AccessSettings {
  const optional = (name: OptionName) => read(name, (text) => text === "" ? null : text);
  return {
    accessOn: read("access", (text) => oneOf(text, ["auto", "on"]) === "on"),
    adminTokenFile: optional("adminTokenFile"),
    jwtSecretFile: optional("jwtSecretFile"),
    jwtPublicKeyFile: optional("jwtPublicKeyFile"),
    jwtJwksUrl: read("jwtJwksUrl", parseJwksUrl),
    jwtIssuer: optional("jwtIssuer"),
    jwtAudience: optional("jwtAudience"),
    jwtClaim: read("jwtClaim", (text) => text),
    jwtRules: read("jwtRules", parseTemplates),
    jwtNamespaceClaim: read("jwtNamespaceClaim", (text) => text),
    jwtNamespace: read("jwtNamespace", parseNamespaceOption),
    anonymous: read("anonymous", parseAnonymous),
  };
}

/** Settings that contradict each other, or that would do nothing. */
export function accessProblems(settings: AccessSettings): string[] {
  const { jwtPublicKeyFile, jwtJwksUrl, jwtRules, jwtIssuer, jwtAudience } = settings;
  if (jwtPublicKeyFile !== null && jwtJwksUrl !== null) {
    return ["--jwt-public-key-file, --jwt-jwks-url: give one of them"];
  }
  const idle = jwtRules.length > 0 || settings.jwtNamespace !== null || jwtIssuer !== null ||
    jwtAudience !== null;
  if (!idle || verifiesJwts(settings)) return [];
  return [
    "--jwt-rules, --jwt-namespace, --jwt-issuer, --jwt-audience: without --jwt-secret-file, --jwt-public-key-file " +
    "or --jwt-jwks-url no JWT is accepted",
  ];
}

function parseJwksUrl(text: string): string | null {
  if (text === "") return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "https:") return text;
  // Over plain HTTP a stranger on the way could hand out keys of their own.
  const local = url?.hostname === "localhost" || url?.hostname === "127.0.0.1";
  if (url?.protocol === "http:" && local) return text;
  throw new Error(`"${text}" is not an https URL`);
}

function parseTemplates(text: string): readonly RuleTemplate[] {
  return splitRules(text).map((rule) => {
    const template = parseRuleTemplate(rule);
    if (typeof template === "string") throw new Error(`"${rule}": ${template}`);
    return template;
  });
}

function parseNamespaceOption(text: string): NamespaceTemplate | null {
  if (text === "") return null;
  const template = parseNamespaceTemplate(text);
  if (typeof template === "string") throw new Error(`"${text}": ${template}`);
  return template;
}

function parseAnonymous(text: string): readonly Rule[] {
  const rules = parseRules(splitRules(text));
  if (typeof rules === "string") throw new Error(rules);
  if (rules.some(({ operations }) => operations.has("admin"))) {
    throw new Error("everyone cannot have admin: make a token for it");
  }
  return rules;
}
