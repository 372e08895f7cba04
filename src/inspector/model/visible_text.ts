/**
 * Text of others, made safe to be read: what is invisible, or changes the direction of what comes
 * after it, is shown as its code. Nothing here is HTML, and nothing becomes it.
 */

const INVISIBLE =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

const NAMED: Readonly<Record<string, string>> = {
  "\n": "⏎",
  "\r": "␍",
  "\t": "→",
};

/** A single line; at most `longest` characters of it. */
export function visibleText(text: string, longest = 1000): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return cut.replace(INVISIBLE, (c) => NAMED[c] ?? codeOf(c));
}

/** Several lines: line breaks and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(
    INVISIBLE,
    (c) => c === "\n" || c === "\t" ? c : NAMED[c] ?? codeOf(c),
  );
}

function codeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
