/**
 * Rules with claims in them, for issuers whose claims cannot be shaped: `read:users/{sub}/**`. A value
 * stands for one segment or a part of one, whatever it holds: it never widens a rule.
 */
import { type Namespace, parseNamespace } from "./namespaces.ts";
import { parseRule, type Rule } from "./rules.ts";

export interface RuleTemplate {
  readonly text: string;
}

/** A namespace with claims in it: `tenants/{org}`. */
export interface NamespaceTemplate {
  readonly text: string;
}

type Claims = Readonly<Record<string, unknown>>;

const PLACEHOLDER = /\{([A-Za-z0-9_:./-]{1,128})\}/g;

/** The template, or a sentence that says what is wrong with it. */
export function parseRuleTemplate(text: string): RuleTemplate | string {
  const rule = parseRule(text.replace(PLACEHOLDER, "x"));
  if (typeof rule === "string") return rule;
  if (/[{}]/.test(text.replace(PLACEHOLDER, ""))) return "a claim is written {name}";
  return { text };
}

/** The rule for a holder of these claims; null when one of them is missing or fits no path. */
export function fillTemplate({ text }: RuleTemplate, claims: Claims): Rule | null {
  const filled = fill(text, claims);
  if (filled === null) return null;
  const rule = parseRule(filled);
  return typeof rule === "string" ? null : rule;
}

/** The template, or a sentence that says what is wrong with it. */
export function parseNamespaceTemplate(text: string): NamespaceTemplate | string {
  if (/[{}]/.test(text.replace(PLACEHOLDER, ""))) return "a claim is written {name}";
  const parsed = parseNamespace(text.replace(PLACEHOLDER, "x"));
  return typeof parsed === "string" ? parsed : { text: text.replace(/\/$/, "") };
}

/** The namespace for a holder of these claims; null when one of them is missing or fits no namespace. */
export function fillNamespace({ text }: NamespaceTemplate, claims: Claims): Namespace | null {
  const filled = fill(text, claims);
  if (filled === null) return null;
  const parsed = parseNamespace(filled);
  return typeof parsed === "string" ? null : parsed.namespace;
}

/** Null when a claim is missing. */
function fill(text: string, claims: Claims): string | null {
  let missing = false;
  const filled = text.replace(PLACEHOLDER, (_, name: string) => {
    const value = valueOf(claims, name);
    if (value === null) missing = true;
    return value ?? "";
  });
  return missing ? null : filled;
}

/** Percent-encodes what has a meaning in patterns; `%` too, so that two values never become one. */
function valueOf(claims: Claims, name: string): string | null {
  const claim = Object.hasOwn(claims, name) ? claims[name] : undefined;
  const text = typeof claim === "number" && Number.isSafeInteger(claim) ? String(claim) : claim;
  if (typeof text !== "string" || text === "") return null;
  return text.replace(
    /[%/*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
