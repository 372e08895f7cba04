/** Where a stream comes from, and what has been forked from it. */
import { useEffect, useState } from "preact/hooks";
import { readStream, type StreamEntry } from "../api/streams.ts";
import { StreamLink } from "./path.tsx";
import { PathText } from "./path.tsx";

const DEEPEST = 16;

export function ForkTree({ entry, forks }: {
  readonly entry: StreamEntry;
  /** The paths of its forks, as far as they are known. */
  readonly forks: readonly string[];
}) {
  const [ancestors, setAncestors] = useState<readonly string[]>([]);
  useEffect(() => {
    const run = new AbortController();
    void ancestorsOf(entry.forked_from, run.signal).then((paths) =>
      run.signal.aborted || setAncestors(paths)
    );
    return () => run.abort();
  }, [entry.path, entry.forked_from]);
  const unknown = entry.forks - forks.length;
  return (
    <ul class="tree">
      {ancestors.map((path, depth) => (
        <Branch key={path} depth={depth}>
          <StreamLink path={path} />
        </Branch>
      ))}
      <Branch depth={ancestors.length} current>
        <PathText path={entry.path} />
      </Branch>
      {forks.map((path) => (
        <Branch key={path} depth={ancestors.length + 1}>
          <StreamLink path={path} />
        </Branch>
      ))}
      {unknown > 0 && (
        <Branch depth={ancestors.length + 1}>
          <span class="dim">
            {unknown === entry.forks ? `${unknown} forks` : `${unknown} more`}
          </span>
        </Branch>
      )}
    </ul>
  );
}

function Branch({ depth, current = false, children }: {
  readonly depth: number;
  readonly current?: boolean;
  readonly children: preact.ComponentChildren;
}) {
  return (
    <li
      class={current ? "branch current" : "branch"}
      style={{ paddingLeft: `${depth * 16}px` }}
    >
      {depth > 0 && <span class="elbow" aria-hidden="true" />}
      {children}
    </li>
  );
}

/** The oldest first. A source that may not be read, or is gone, ends the chain. */
async function ancestorsOf(
  path: string | null,
  signal: AbortSignal,
): Promise<string[]> {
  const paths: string[] = [];
  for (let source = path; source !== null && paths.length < DEEPEST;) {
    paths.unshift(source);
    try {
      source = (await readStream(source, signal)).forked_from;
    } catch {
      break;
    }
  }
  return paths;
}
