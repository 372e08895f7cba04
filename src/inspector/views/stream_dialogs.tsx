/** Fork, trim, close and delete: each says what it does before it does it. */
import { useState } from "preact/hooks";
import {
  closeAction,
  deleteAction,
  forkAction,
  perform,
  type StreamEntry,
  trimAction,
} from "../api/streams.ts";
import { ConfirmDialog, FormError, useSubmit } from "../components/confirm_dialog.tsx";
import { CurlButton } from "../components/copy_button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { say } from "../components/toasts.tsx";
import { formatBytes, formatCount } from "../model/format.ts";
import { visibleText } from "../model/visible_text.ts";
import { navigate, streamsWith } from "../router.ts";

export type DialogName = "fork" | "trim" | "close" | "delete";

export interface StreamDialogProps {
  readonly entry: StreamEntry;
  /** Where the reader is: the message that is selected, or the last that was read. */
  readonly offset: string | null;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

export function StreamDialog(
  { name, ...props }: StreamDialogProps & { readonly name: DialogName },
) {
  switch (name) {
    case "fork":
      return <ForkDialog {...props} />;
    case "trim":
      return <TrimDialog {...props} />;
    case "close":
      return <CloseDialog {...props} />;
    case "delete":
      return <DeleteDialog {...props} />;
  }
}

function ForkDialog({ entry, onClose }: StreamDialogProps) {
  const [path, setPath] = useState(`${entry.path}-fork`);
  const [offset, setOffset] = useState("");
  const action = () => forkAction(entry, path, offset === "" ? null : offset);
  const { busy, error, submit } = useSubmit(async () => {
    await perform(action());
    onClose();
    navigate({ view: "stream", path });
  });
  return (
    <Dialog title="Fork" onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p class="hint">
          The fork has all that its source holds up to an offset, and goes its own way from there.
        </p>
        <label class="field">
          <span>New path</span>
          <input
            data-autofocus
            required
            class="mono"
            spellcheck={false}
            value={path}
            onInput={(event) => setPath(event.currentTarget.value)}
          />
        </label>
        <label class="field">
          <span>At offset</span>
          <input
            class="mono"
            spellcheck={false}
            placeholder={`${entry.next_offset} (the end)`}
            value={offset}
            onInput={(event) => setOffset(event.currentTarget.value.trim())}
          />
        </label>
        <FormError error={error} />
        <footer class="dialog-foot">
          <CurlButton action={action} />
          <span class="grow" />
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="primary" disabled={busy}>Fork</button>
        </footer>
      </form>
    </Dialog>
  );
}

function TrimDialog({ entry, onClose, onDone }: StreamDialogProps) {
  const [before, setBefore] = useState(entry.next_offset);
  const { busy, error, submit } = useSubmit(async () => {
    await perform(trimAction(entry.path, before));
    say("Trimmed");
    onClose();
    onDone();
  });
  return (
    <Dialog title="Trim" onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <p class="hint">
          What comes before this offset is deleted for good. Readers who ask for it get 410. The end
          of the stream is filled in: that deletes all it holds now.
        </p>
        <label class="field">
          <span>Delete before</span>
          <input
            data-autofocus
            required
            class="mono"
            spellcheck={false}
            value={before}
            onInput={(event) => setBefore(event.currentTarget.value.trim())}
          />
        </label>
        <FormError error={error} />
        <footer class="dialog-foot">
          <CurlButton action={() => trimAction(entry.path, before)} />
          <span class="grow" />
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="submit" class="danger solid" disabled={busy}>
            Trim
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function CloseDialog({ entry, onClose, onDone }: StreamDialogProps) {
  const action = closeAction(entry.path, entry.content_type);
  return (
    <ConfirmDialog
      title="Close this stream?"
      verb="Close stream"
      action={action}
      onClose={onClose}
      onConfirm={async () => {
        await perform(action);
        say("Closed");
        onDone();
      }}
    >
      <p>
        Nobody can append to <bdi dir="ltr" class="mono">{visibleText(entry.path)}</bdi>{" "}
        any more, and followers are told that it has ended. A closed stream does not open again.
      </p>
    </ConfirmDialog>
  );
}

function DeleteDialog({ entry, onClose }: StreamDialogProps) {
  const action = deleteAction(entry.path);
  const messages = entry.messages === null ? "" : `${formatCount(entry.messages)} messages, `;
  return (
    <ConfirmDialog
      title="Delete this stream?"
      verb="Delete"
      action={action}
      onClose={onClose}
      onConfirm={async () => {
        await perform(action);
        say("Deleted");
        navigate(streamsWith(""));
      }}
    >
      <p>
        <bdi dir="ltr" class="mono">{visibleText(entry.path)}</bdi> holds {messages}
        {formatBytes(entry.bytes)}. They cannot be brought back.
        {entry.forks > 0 &&
          ` Its ${entry.forks} forks keep what they share with it.`}
      </p>
    </ConfirmDialog>
  );
}
