/** A value of the server that is asked for again and again while it is shown. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, asApiError } from "./api/request.ts";

export interface Polled<T> {
  readonly value: T | null;
  /** Why the last attempt failed; the value is then the last there was. */
  readonly error: ApiError | null;
  refresh(): void;
}

/**
 * @param key what the value is of: another key begins anew
 * @param everyMs a page that nobody sees asks for nothing
 */
export function usePolled<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
): Polled<T> {
  const [state, setState] = useState<
    { key: string; value: T | null; error: ApiError | null }
  >({
    key,
    value: null,
    error: null,
  });
  const latest = useRef(load);
  latest.current = load;
  const kick = useRef(() => {});
  useEffect(() => {
    const run = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let loading = false;
    const poll = async () => {
      clearTimeout(timer);
      if (loading) return;
      loading = true;
      try {
        const value = document.hidden ? undefined : await latest.current(run.signal);
        if (!run.signal.aborted && value !== undefined) {
          setState({ key, value, error: null });
        }
      } catch (error) {
        if (run.signal.aborted) return;
        setState((old) => ({
          key,
          value: old.key === key ? old.value : null,
          error: asApiError(error),
        }));
      } finally {
        loading = false;
      }
      if (!run.signal.aborted) timer = setTimeout(poll, everyMs);
    };
    kick.current = () => void poll();
    document.addEventListener("visibilitychange", kick.current);
    void poll();
    const visible = kick.current;
    return () => {
      run.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", visible);
    };
  }, [key, everyMs]);
  const refresh = useCallback(() => kick.current(), []);
  const current = state.key === key;
  return {
    value: current ? state.value : null,
    error: current ? state.error : null,
    refresh,
  };
}
