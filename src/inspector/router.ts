/** Which view the address names. It is kept behind `#`, so no server or log learns what is seen. */
import { signal } from "@preact/signals";
import { encodePath } from "./api/streams.ts";

export type Route =
  | {
    readonly view: "streams";
    readonly prefix: string;
    readonly labels: readonly string[];
  }
  | { readonly view: "stream"; readonly path: string }
  | { readonly view: "subscriptions" }
  | { readonly view: "subscription"; readonly id: string }
  | { readonly view: "node" };

export const route = signal<Route>(parseRoute(location.hash));
addEventListener("hashchange", () => route.value = parseRoute(location.hash));

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/");
  const name = rest.map(decode).join("/");
  if (view === "stream" && name !== "") return { view, path: name };
  if (view === "subscription" && name !== "") return { view, id: name };
  if (view === "subscriptions" || view === "node") return { view };
  const parameters = new URLSearchParams(query);
  return {
    view: "streams",
    prefix: parameters.get("prefix") ?? "",
    labels: parameters.getAll("label"),
  };
}

export function hrefOf(to: Route): string {
  switch (to.view) {
    case "stream":
      return `#/stream/${encodePath(to.path)}`;
    case "subscription":
      return `#/subscription/${encodeURIComponent(to.id)}`;
    case "streams": {
      const query = new URLSearchParams(
        to.labels.map((label) => ["label", label]),
      );
      if (to.prefix !== "") query.set("prefix", to.prefix);
      return query.size === 0 ? "#/streams" : `#/streams?${query}`;
    }
    default:
      return `#/${to.view}`;
  }
}

export function navigate(to: Route, { replace = false } = {}): void {
  const href = hrefOf(to);
  if (replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  route.value = to;
}
addEventListener("popstate", () => route.value = parseRoute(location.hash));

export function streamsWith(
  prefix: string,
  labels: readonly string[] = [],
): Route {
  return { view: "streams", prefix, labels };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
