/** The question before something that cannot be undone. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/request.ts";
import type { Action } from "../api/streams.ts";
import { visibleText } from "../model/visible_text.ts";
import { CurlButton } from "./copy_button.tsx";
import { Dialog } from "./dialog.tsx";

export function ConfirmDialog(
  { title, verb, action, onConfirm, onClose, children }: {
    readonly title: string;
    readonly verb: string;
    readonly action: Action;
    readonly onConfirm: () => Promise<void>;
    readonly onClose: () => void;
    readonly children: ComponentChildren;
  },
) {
  const { busy, error, submit } = useSubmit(async () => {
    await onConfirm();
    onClose();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        {children}
        <FormError error={error} />
        <footer class="dialog-foot">
          <CurlButton action={() => action} />
          <span class="grow" />
          <button type="button" data-autofocus onClick={onClose}>Cancel</button>
          <button type="submit" class="danger solid" disabled={busy}>
            {verb}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** A form's request: while it is on its way, the form cannot be sent again. */
export function useSubmit(run: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | null>(null);
  const submit = async (event?: Event) => {
    event?.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await run();
    } catch (failure) {
      setError(asApiError(failure));
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, submit };
}

export function FormError({ error }: { readonly error: ApiError | null }) {
  if (error === null) return null;
  return (
    <p class="form-error" role="alert">
      {visibleText(error.message, 400)} <span class="code">{error.code}</span>
    </p>
  );
}
