import type { ComponentChildren } from "preact";
import type { ApiError } from "../api/request.ts";
import { visibleText } from "../model/visible_text.ts";

/** What stands where there is nothing to show. */
export function Notice({ title, children }: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="notice">
      <p class="notice-title">{title}</p>
      {children}
    </div>
  );
}

export function ErrorNotice({ error }: { readonly error: ApiError }) {
  return (
    <div class="notice" role="alert">
      <p class="notice-title">{titleOf(error)}</p>
      <p>{visibleText(error.message, 400)}</p>
      <p class="code">{error.code}</p>
    </div>
  );
}

function titleOf({ status }: ApiError): string {
  if (status === 0) return "The server does not answer";
  if (status === 403) return "This token may not see that";
  if (status === 404) return "There is nothing here";
  return "That did not work";
}
