import type { ComponentChildren } from "preact";
import { visibleText } from "../model/visible_text.ts";

/** Names and values; a value that is not there leaves its line out. */
export function Facts({ facts }: {
  readonly facts: Readonly<Record<string, ComponentChildren>>;
}) {
  return (
    <dl class="facts">
      {Object.entries(facts).map(([name, value]) =>
        value === null || value === undefined || value === "–"
          ? null
          : (
            <div key={name} class="fact">
              <dt>{name}</dt>
              <dd>
                {typeof value === "string" ? <bdi dir="ltr">{visibleText(value)}</bdi> : value}
              </dd>
            </div>
          )
      )}
    </dl>
  );
}
