/** The query of an extension's route: parameters that are not known are refused. */
import { invalidRequest } from "../errors.ts";

/**
 * @param text what follows `?` in the URL, or ""
 * @param repeatable the known ones that may come more than once
 * @throws Refused `invalid` of a parameter that is unknown or comes twice
 */
export function parseQuery(
  text: string,
  known: readonly string[],
  repeatable: readonly string[] = [],
): URLSearchParams {
  const query = new URLSearchParams(text);
  for (const name of new Set(query.keys())) {
    if (!known.includes(name)) {
      const names = known.length === 0 ? "none" : known.join(", ");
      throw invalidRequest(`"${name.slice(0, 40)}" is no parameter here: there are ${names}`);
    }
    if (!repeatable.includes(name) && query.getAll(name).length > 1) {
      throw invalidRequest(`${name} comes more than once`);
    }
  }
  return query;
}
