/** An offset as people read it, its position; the whole of it can be copied. */
import { formatCount } from "../model/format.ts";
import { visibleText } from "../model/visible_text.ts";
import { CopyButton } from "./copy_button.tsx";

export function OffsetText({ offset }: { readonly offset: string }) {
  const position = /^0*(\d+)_/.exec(offset)?.[1];
  return (
    <span class="offset">
      <span class="mono" title={visibleText(offset)}>
        {position === undefined ? visibleText(offset) : formatCount(Number(position))}
      </span>
      <CopyButton label={`Copy the offset ${visibleText(offset)}`} text={() => offset} />
    </span>
  );
}
