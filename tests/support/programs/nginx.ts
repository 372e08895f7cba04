/** A real nginx, in front of a server of the test. */
import {
  type Configuration,
  configure,
  type Place,
  type RunningProgram,
  startProgram,
} from "./program.ts";

/** What a proxy's configuration is made from: `{{port}}`, `{{folder}}` and `{{upstreamPort}}`. */
export interface ProxyPlace extends Place {
  /** The port of 127.0.0.1 that the proxy leads to. */
  readonly upstreamPort: number;
}

export interface NginxOptions {
  readonly upstreamPort: number;
  /** What stands in `server { … }` after `listen`; passes everything on unless given. */
  readonly server?: Configuration<ProxyPlace>;
  /** What stands in `http { … }` before the server: upstreams, maps, caches. */
  readonly http?: Configuration<ProxyPlace>;
  /** What stands in `http { … }`, servers and all, in place of both. */
  readonly config?: Configuration<ProxyPlace>;
  /** In place of a free port. */
  readonly port?: number;
}

const PASS_ON = `
    location / {
      proxy_pass http://127.0.0.1:{{upstreamPort}};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
    }`;

/**
 * Starts it with one worker, its error log in `output()`. A SIGHUP makes it read `nginx.conf` in
 * its folder again.
 */
export function startNginx(options: NginxOptions): Promise<RunningProgram> {
  const { upstreamPort, server = PASS_ON, http = "", config } = options;
  const parted = (place: ProxyPlace) => `
  ${configure(http, place)}
  server {
    listen 127.0.0.1:${place.port};
    ${configure(server, place)}
  }`;
  const text = ({ port, folder }: Place) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
  access_log off;
  ${temporaryPaths(folder)}
  ${configure(config ?? parted, { port, folder, upstreamPort })}
}
`;
  return startProgram("nginx", {
    ...options.port === undefined ? {} : { port: options.port },
    files: (place) => ({ "nginx.conf": text(place) }),
    // Without -e it opens the system's error log before it has read the configuration.
    args: ({ folder }) => ["-p", folder, "-e", "stderr", "-c", `${folder}/nginx.conf`],
  });
}

/** The compiled-in folders belong to the system's own nginx. */
function temporaryPaths(folder: string): string {
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n  ");
}
