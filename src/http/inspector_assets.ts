/**
 * The inspector's files, as `deno task inspector` has bundled them: text in this program, so that
 * one executable needs nothing beside it. A script and a style sheet are named by their content,
 * and so may be cached for ever.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import page from "../inspector/dist/index.html" with { type: "text" };
import script from "../inspector/dist/app.js" with { type: "text" };
import styles from "../inspector/dist/app.css" with { type: "text" };
import icon from "../inspector/dist/icon.svg" with { type: "text" };

export interface Asset {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, compressed; made when it is first asked for. */
  gzipped(): Uint8Array<ArrayBuffer>;
}

const NAMED = {
  "app.js": asset(script, "text/javascript; charset=utf-8"),
  "app.css": asset(styles, "text/css; charset=utf-8"),
  "icon.svg": asset(icon, "image/svg+xml"),
} as const;

/** `app-3f9c2a7b1d0e.js`, by the name without its hash. */
const hashedNames = new Map(
  Object.entries(NAMED).map(([name, { bytes }]) => {
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
    return [name, name.replace(".", `-${hash}.`)];
  }),
);

const assets = new Map<string, Asset>(
  Object.entries(NAMED).map(([name, value]) => [hashedNames.get(name)!, value]),
);

/** An asset by its hashed name; null where there is none. */
export function findAsset(hashedName: string): Asset | null {
  return assets.get(hashedName) ?? null;
}

/** The page, which names the assets of this build. */
export const indexPage: Asset = asset(
  page.replaceAll(/\bassets\/([a-z.]+)/g, (whole, name: string) => {
    const hashed = hashedNames.get(name);
    return hashed === undefined ? whole : `assets/${hashed}`;
  }),
  "text/html; charset=utf-8",
);

function asset(text: string, contentType: string): Asset {
  const bytes = new TextEncoder().encode(text);
  let compressed: Uint8Array<ArrayBuffer> | undefined;
  return {
    contentType,
    bytes,
    gzipped: () => compressed ??= new Uint8Array(gzipSync(bytes, { level: 9 })),
  };
}
