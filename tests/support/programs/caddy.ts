/** A real Caddy, in front of a server of the test. */
import { type Configuration, configure, type RunningProgram, startProgram } from "./program.ts";
import type { ProxyPlace } from "./nginx.ts";

export interface CaddyOptions {
  readonly upstreamPort: number;
  /**
   * The Caddyfile; passes everything on unless given. Its site is `http://127.0.0.1:{{port}}`, or
   * `:{{port}}` for any Host.
   */
  readonly config?: Configuration<ProxyPlace>;
  /** In place of a free port. */
  readonly port?: number;
}

const PASS_ON = `
:{{port}} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{{upstreamPort}}
}
`;

/**
 * Its administration port is always 2019, so two would collide, and it must not add itself to the
 * authorities that the machine trusts.
 */
const GLOBAL_OPTIONS = `
{
  admin off
  skip_install_trust
}
`;

/** Starts it; a Caddyfile without global options gets those that keep it away from the machine. */
export function startCaddy(options: CaddyOptions): Promise<RunningProgram> {
  const { upstreamPort, config = PASS_ON } = options;
  return startProgram("caddy", {
    ...options.port === undefined ? {} : { port: options.port },
    files: ({ port, folder }) => {
      const text = configure(config, { port, folder, upstreamPort });
      return { Caddyfile: /^\s*\{/.test(text) ? text : GLOBAL_OPTIONS + text };
    },
    args: () => ["run", "--config", "Caddyfile", "--adapter", "caddyfile"],
  });
}
