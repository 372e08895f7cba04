/** A real HAProxy, in front of a server of the test. */
import { type Configuration, configure, type RunningProgram, startProgram } from "./program.ts";
import type { ProxyPlace } from "./nginx.ts";

export interface HaproxyOptions {
  readonly upstreamPort: number;
  /** The whole configuration; passes everything on unless given. */
  readonly config?: Configuration<ProxyPlace>;
  /** In place of a free port. */
  readonly port?: number;
}

const PASS_ON = `
global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 90s
  option http-no-delay
frontend edge
  bind 127.0.0.1:{{port}}
  default_backend penstock
backend penstock
  server one 127.0.0.1:{{upstreamPort}}
`;

/** Starts it in the foreground, as one process. */
export function startHaproxy(options: HaproxyOptions): Promise<RunningProgram> {
  const { upstreamPort, config = PASS_ON } = options;
  return startProgram("haproxy", {
    ...options.port === undefined ? {} : { port: options.port },
    files: ({ port, folder }) => ({
      "haproxy.cfg": configure(config, { port, folder, upstreamPort }),
    }),
    args: () => ["-db", "-f", "haproxy.cfg"],
  });
}
