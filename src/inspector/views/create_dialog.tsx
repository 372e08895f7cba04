import { useState } from "preact/hooks";
import { createAction, type NewStream, perform } from "../api/streams.ts";
import { FormError, useSubmit } from "../components/confirm_dialog.tsx";
import { CurlButton } from "../components/copy_button.tsx";
import { Dialog } from "../components/dialog.tsx";
import { navigate } from "../router.ts";

const TYPES = ["application/json", "text/plain", "application/octet-stream"];

export function CreateDialog({ prefix, onClose }: {
  readonly prefix: string;
  readonly onClose: () => void;
}) {
  const [stream, setStream] = useState<NewStream>({
    path: prefix,
    contentType: "application/json",
    ttlSeconds: "",
    labels: "",
    retention: "",
  });
  const set = (change: Partial<NewStream>) => setStream((old) => ({ ...old, ...change }));
  const { busy, error, submit } = useSubmit(async () => {
    await perform(createAction(stream));
    onClose();
    navigate({ view: "stream", path: stream.path });
  });
  return (
    <Dialog title="New stream" onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <label class="field">
          <span>Path</span>
          <input
            data-autofocus
            required
            class="mono"
            placeholder="chat/42"
            spellcheck={false}
            value={stream.path}
            onInput={(event) => set({ path: event.currentTarget.value })}
          />
        </label>
        <label class="field">
          <span>Content type</span>
          <input
            required
            list="content-types"
            value={stream.contentType}
            onInput={(event) => set({ contentType: event.currentTarget.value })}
          />
          <datalist id="content-types">
            {TYPES.map((type) => <option key={type} value={type} />)}
          </datalist>
        </label>
        <details>
          <summary>TTL, retention, labels</summary>
          <label class="field">
            <span>TTL in seconds</span>
            <input
              inputMode="numeric"
              pattern="[0-9]*"
              value={stream.ttlSeconds}
              onInput={(event) => set({ ttlSeconds: event.currentTarget.value })}
            />
          </label>
          <label class="field">
            <span>Retention</span>
            <input
              placeholder="age=604800, bytes=1073741824"
              value={stream.retention}
              onInput={(event) => set({ retention: event.currentTarget.value })}
            />
          </label>
          <label class="field">
            <span>Labels</span>
            <input
              placeholder="team:search, tier:gold"
              value={stream.labels}
              onInput={(event) => set({ labels: event.currentTarget.value })}
            />
          </label>
        </details>
        <FormError error={error} />
        <footer class="dialog-foot">
          <CurlButton action={() => createAction(stream)} />
          <span class="grow" />
          <button type="button" onClick={onClose}>Cancel</button>
          <button
            type="submit"
            class="primary"
            disabled={busy || stream.path === ""}
          >
            Create
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
