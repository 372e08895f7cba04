/** The inspector: the frame around the views. */
import { render } from "preact";
import { useErrorBoundary, useState } from "preact/hooks";
import {
  asApiError,
  hasToken,
  openSession,
  session,
  sessionProblem,
  sessionState,
  signOut,
} from "./api/request.ts";
import { Dialog } from "./components/dialog.tsx";
import { Icon, type IconName } from "./components/icon.tsx";
import { ErrorNotice } from "./components/notice.tsx";
import { Link } from "./components/path.tsx";
import { Toasts } from "./components/toasts.tsx";
import { visibleText } from "./model/visible_text.ts";
import { sampleNode } from "./node_samples.ts";
import { appearance, toggleTheme } from "./preferences.ts";
import { navigate, type Route, route, streamsWith } from "./router.ts";
import { useShortcuts } from "./shortcuts.ts";
import { NodeView } from "./views/node_view.tsx";
import { SignInView } from "./views/sign_in_view.tsx";
import { StreamView } from "./views/stream_view.tsx";
import { StreamsView } from "./views/streams_view.tsx";
import { SubscriptionsView, SubscriptionView } from "./views/subscriptions_view.tsx";

function App() {
  switch (sessionState.value) {
    case "out":
      return <SignInView />;
    case "unreachable":
      return <Unreachable />;
    case "opening":
      return null;
    default:
      return <Frame />;
  }
}

function Unreachable() {
  return (
    <main class="sign-in">
      <div class="card form">
        <h1>Penstock</h1>
        <p role="alert">
          {visibleText(
            sessionProblem.value ?? "the server does not answer",
            300,
          )}
        </p>
        <button
          type="button"
          class="primary"
          onClick={() => void openSession()}
        >
          Try again
        </button>
        {hasToken() && (
          <button type="button" onClick={() => void signOut()}>
            Use another token
          </button>
        )}
      </div>
    </main>
  );
}

function Frame() {
  const [help, setHelp] = useState(false);
  useShortcuts({
    "g s": () => navigate(streamsWith("")),
    "g u": () => navigate({ view: "subscriptions" }),
    "g n": () => navigate({ view: "node" }),
    t: toggleTheme,
    "?": () => setHelp(true),
  });
  return (
    <div class="frame">
      <Sidebar onHelp={() => setHelp(true)} />
      <GuardedView key={route.value.view} to={route.value} />
      <Toasts />
      {help && <KeysDialog onClose={() => setHelp(false)} />}
    </div>
  );
}

/** A view that fails takes neither the frame nor the next view with it. */
function GuardedView({ to }: { readonly to: Route }) {
  const [error] = useErrorBoundary();
  if (error === undefined) return <View to={to} />;
  return (
    <main class="view">
      <ErrorNotice error={asApiError(error)} />
    </main>
  );
}

function View({ to }: { readonly to: Route }) {
  switch (to.view) {
    case "streams":
      return <StreamsView prefix={to.prefix} labels={to.labels} />;
    case "stream":
      return <StreamView key={to.path} path={to.path} />;
    case "subscriptions":
      return <SubscriptionsView />;
    case "subscription":
      return <SubscriptionView key={to.id} id={to.id} />;
    case "node":
      return <NodeView />;
  }
}

const TABS: readonly {
  readonly to: Route;
  readonly icon: IconName;
  readonly text: string;
}[] = [
  { to: streamsWith(""), icon: "streams", text: "Streams" },
  {
    to: { view: "subscriptions" },
    icon: "subscriptions",
    text: "Subscriptions",
  },
  { to: { view: "node" }, icon: "node", text: "Node" },
];

function Sidebar({ onHelp }: { readonly onHelp: () => void }) {
  const { view } = route.value;
  const { value } = session;
  const dark = appearance.value === "dark";
  return (
    <header class="sidebar">
      <div class="brand">
        <img src={iconUrl()} alt="" width="22" height="22" /> <span>Penstock</span>
      </div>
      <nav aria-label="Views">
        {TABS.map(({ to, icon, text }) => (
          <Link
            key={text}
            to={to}
            class={view.startsWith(to.view.replace(/s$/, "")) ? "tab current" : "tab"}
          >
            <Icon name={icon} /> <span>{text}</span>
          </Link>
        ))}
      </nav>
      <div class="sidebar-foot">
        {value?.mode === "read-only" && <span class="badge">read-only</span>}
        {value?.principal && (
          <span
            class="principal"
            title={value.principal.rules.map((rule) => visibleText(rule)).join(
              "\n",
            )}
          >
            {visibleText(value.principal.name, 40)}
          </span>
        )}
        <span class="version">{value?.version}</span>
        <button
          type="button"
          class="ghost square"
          aria-label={dark ? "Light colours" : "Dark colours"}
          title="Light or dark (t)"
          onClick={toggleTheme}
        >
          <Icon name={dark ? "sun" : "moon"} />
        </button>
        <button
          type="button"
          class="ghost square keys"
          aria-label="Keys"
          title="Keys (?)"
          onClick={onHelp}
        >
          <Icon name="keyboard" />
        </button>
        {hasToken() && (
          <button
            type="button"
            class="ghost square"
            aria-label="Sign out"
            title="Sign out"
            onClick={() => void signOut()}
          >
            <Icon name="out" />
          </button>
        )}
      </div>
    </header>
  );
}

/** The page's own icon, whose name has the hash of this build. */
function iconUrl(): string {
  return document.querySelector<HTMLLinkElement>("link[rel=icon]")!.href;
}

const KEYS: readonly (readonly [string, string])[] = [
  ["/", "Search streams"],
  ["j k ↓ ↑", "Next, previous"],
  ["Enter", "Open"],
  ["Esc", "Back"],
  ["n", "New stream"],
  ["Space", "Pause or resume the tail"],
  ["G", "To the end of the tail"],
  ["a", "Append"],
  ["g s", "Streams"],
  ["g u", "Subscriptions"],
  ["g n", "Node"],
  ["t", "Light or dark"],
  ["?", "This list"],
];

function KeysDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, text]) => (
          <div key={keys}>
            <dt>{keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

sampleNode();
void openSession();
render(<App />, document.getElementById("app")!);
