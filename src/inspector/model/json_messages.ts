/** Messages of a page in JSON mode, each as its source text: `1.0` stays `1.0`. */

/**
 * The elements of an array's text, untouched but for the white space around them.
 * @throws SyntaxError where the text is no array
 */
export function splitMessages(text: string): string[] {
  const start = text.indexOf("[");
  const end = text.lastIndexOf("]");
  if (start < 0 || end < start) {
    throw new SyntaxError("a page in JSON mode is an array");
  }
  const messages: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = from; at < end; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        if (depth === 0) {
          messages.push(text.slice(from, at).trim());
          from = at + 1;
        }
    }
  }
  const last = text.slice(from, end).trim();
  if (last !== "" || messages.length > 0) messages.push(last);
  return messages;
}

/** Where the quote is that ends the string which begins here. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++; // a backslash, and what it escapes
    else if (code === 0x22) break;
  }
  return at;
}

export type TokenKind = "key" | "string" | "number" | "word" | "plain";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

const TOKENS =
  /("(?:\\.|[^"\\])*"(?=\s*:))|("(?:\\.|[^"\\])*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** JSON's text in parts to be coloured; joined, they are the text. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKENS)) {
    if (match.index > at) {
      tokens.push({ kind: "plain", text: text.slice(at, match.index) });
    }
    const kind: TokenKind = match[1] !== undefined
      ? "key"
      : match[2] !== undefined
      ? "string"
      : match[3] !== undefined
      ? "number"
      : "word";
    tokens.push({ kind, text: match[0] });
    at = match.index + match[0].length;
  }
  if (at < text.length) tokens.push({ kind: "plain", text: text.slice(at) });
  return tokens;
}

/** JSON's text with line breaks and indentation, its numbers and strings as they were written. */
export function prettyJson(text: string): string {
  let out = "";
  let indent = 0;
  const line = () => out += `\n${"  ".repeat(indent)}`;
  for (let at = 0; at < text.length; at++) {
    const c = text[at]!;
    if (c === '"') {
      const end = endOfString(text, at);
      out += text.slice(at, end + 1);
      at = end;
    } else if (c === "{" || c === "[") {
      const close = c === "{" ? "}" : "]";
      const next = /\S/.exec(text.slice(at + 1, at + 50))?.[0];
      if (next === close) {
        out += c + close;
        at = text.indexOf(close, at);
        continue;
      }
      out += c;
      indent++;
      line();
    } else if (c === "}" || c === "]") {
      indent = Math.max(0, indent - 1);
      line();
      out += c;
    } else if (c === ",") {
      out += c;
      line();
    } else if (c === ":") out += ": ";
    else if (!/\s/.test(c)) out += c;
  }
  return out;
}
