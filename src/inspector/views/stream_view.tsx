/** One stream: what is in it, as it comes, and all there is to know about it. */
import { useState } from "preact/hooks";
import { may } from "../api/permissions.ts";
import { type ApiError } from "../api/request.ts";
import {
  readHead,
  readStream,
  type StreamDetail,
  type StreamHead,
  streamUrl,
} from "../api/streams.ts";
import { CopyButton, CurlButton } from "../components/copy_button.tsx";
import { Icon, type IconName } from "../components/icon.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { Link } from "../components/path.tsx";
import { visibleText } from "../model/visible_text.ts";
import { usePolled } from "../polling.ts";
import { streamsWith } from "../router.ts";
import { useShortcuts } from "../shortcuts.ts";
import { type DialogName, StreamDialog } from "./stream_dialogs.tsx";
import { StreamDetails } from "./stream_details.tsx";
import { Badges, useNarrow } from "./streams_view.tsx";
import { TailView } from "./tail_view.tsx";

const EVERY_MS = 2000;

/** What a token may see of a stream: all, or what HEAD says. */
interface Known {
  readonly head: StreamHead;
  readonly detail: StreamDetail | null;
}

async function loadStream(path: string, signal: AbortSignal): Promise<Known> {
  if (!may("list", path)) {
    return { head: await readHead(path, signal), detail: null };
  }
  const detail = await readStream(path, signal);
  return {
    head: {
      contentType: detail.content_type,
      nextOffset: detail.next_offset,
      closed: detail.closed,
    },
    detail,
  };
}

export function StreamView({ path }: { readonly path: string }) {
  const { value, error, refresh } = usePolled(
    path,
    (signal) => loadStream(path, signal),
    EVERY_MS,
  );
  const [dialog, setDialog] = useState<DialogName | null>(null);
  const [tab, setTab] = useState<"messages" | "details">("messages");
  const narrow = useNarrow();
  useShortcuts({ Escape: () => history.back() });
  if (value === null) return <Missing path={path} error={error} />;
  const { head, detail } = value;
  return (
    <main class="view">
      <header class="view-head stream-head">
        <Crumbs path={path} />
        <div class="stream-title">
          <h1>
            <bdi dir="ltr">
              {visibleText(path.slice(path.lastIndexOf("/") + 1))}
            </bdi>
          </h1>
          <span class="badge">{visibleText(head.contentType, 60)}</span>
          {detail === null
            ? head.closed && (
              <span class="badge">
                <Icon name="lock" />closed
              </span>
            )
            : <Badges entry={detail} />}
        </div>
        <Actions path={path} known={value} onAction={setDialog} />
      </header>
      {narrow && <Tabs tab={tab} onTab={setTab} />}
      <div class="stream-body">
        {(!narrow || tab === "messages") && (
          <TailView
            key={`${path} ${head.contentType}`}
            path={path}
            head={head}
            detail={detail}
            onChange={refresh}
          />
        )}
        {detail !== null && (!narrow || tab === "details") && <StreamDetails detail={detail} />}
      </div>
      {dialog !== null && detail !== null && (
        <StreamDialog
          name={dialog}
          entry={detail}
          offset={null}
          onDone={refresh}
          onClose={() => setDialog(null)}
        />
      )}
    </main>
  );
}

function Missing(
  { path, error }: { readonly path: string; readonly error: ApiError | null },
) {
  return (
    <main class="view">
      <header class="view-head">
        <Crumbs path={path} />
      </header>
      {error === null ? <Notice title="Loading" /> : <ErrorNotice error={error} />}
    </main>
  );
}

/** Each segment leads to the streams below it. */
function Crumbs({ path }: { readonly path: string }) {
  const segments = path.split("/").slice(0, -1);
  return (
    <nav class="crumbs" aria-label="Path">
      <Link to={streamsWith("")}>Streams</Link>
      {segments.map((segment, index) => (
        <Link
          key={index}
          to={streamsWith(`${segments.slice(0, index + 1).join("/")}/`)}
        >
          <bdi dir="ltr">{visibleText(segment, 80)}</bdi>
        </Link>
      ))}
    </nav>
  );
}

function Actions({ path, known: { head, detail }, onAction }: {
  readonly path: string;
  readonly known: Known;
  readonly onAction: (name: DialogName) => void;
}) {
  const button = (name: DialogName, icon: IconName, text: string) => (
    <button
      key={name}
      type="button"
      class={name === "delete" ? "danger" : ""}
      onClick={() => onAction(name)}
    >
      <Icon name={icon} /> {text}
    </button>
  );
  const appendable = may("append", path) && !head.closed;
  return (
    <div class="actions">
      <CopyButton
        label="Copy the stream's URL"
        short="URL"
        text={() => streamUrl(path).href}
      />
      <CurlButton
        label="Copy a curl that follows the stream"
        action={() => ({
          method: "GET",
          headers: {},
          url: streamUrl(path, { offset: "-1", live: "sse" }),
        })}
      />
      {detail !== null && (
        <>
          {may("create", `${path}-fork`) && button("fork", "fork", "Fork")}
          {may("delete", path) && button("trim", "scissors", "Trim")}
          {appendable && button("close", "lock", "Close")}
          {may("delete", path) && button("delete", "trash", "Delete")}
        </>
      )}
    </div>
  );
}

function Tabs({ tab, onTab }: {
  readonly tab: "messages" | "details";
  readonly onTab: (tab: "messages" | "details") => void;
}) {
  return (
    <div class="tabs" role="group" aria-label="Part of the stream">
      {(["messages", "details"] as const).map((name) => (
        <button
          key={name}
          type="button"
          aria-pressed={tab === name}
          onClick={() => onTab(name)}
        >
          {name === "messages" ? "Messages" : "Details"}
        </button>
      ))}
    </div>
  );
}
