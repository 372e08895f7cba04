/** Takes secrets out of what is said. */

/** An error's message, without passwords. */
export function messageOf(error: unknown): string {
  return redact(error instanceof Error ? error.message : String(error));
}

/** Takes out what looks like the password in a connection string; it may itself hold an @. */
export function redact(text: string): string {
  return text.replace(/(\w+:\/\/[^\s:@/]*):\S*@/g, "$1:***@");
}
