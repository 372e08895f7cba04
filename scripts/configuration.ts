/** `deno task configuration`: writes docs/configuration.md from the table of settings. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Option, OPTIONS } from "../src/cli/options.ts";

const PAGE = join(import.meta.dirname ?? ".", "..", "docs", "configuration.md");

const INTRODUCTION = `# Configuration

<!-- Generated from src/cli/options.ts by \`deno task configuration\`. Change it there. -->

Every setting has a flag and an environment variable. A flag takes precedence over the variable, and
the variable over the default. An empty variable counts as not set. \`penstock --help\` prints the same
list.

All settings are checked at the start. If any of them is wrong, Penstock prints every problem it
found, starts nothing and ends with exit code 2. That, and whatever else ends it early (exit code 1),
goes to standard error in the format of the log.

- A *time* is a number with \`ms\`, \`s\` or \`m\` after it (\`500ms\`, \`30s\`, \`2m\`), from 1 ms to 60 minutes.
  A bare number means seconds.
- An *age* is a number with \`s\`, \`m\`, \`h\` or \`d\` after it (\`12h\`, \`30d\`). A bare number means seconds.
- A *size* is a number of bytes, or a number with \`KiB\`, \`MiB\`, \`GiB\` or \`TiB\` after it.
- A *switch* is on when its flag is given. Its variable is \`true\` or \`false\`.
`;

const COMBINATIONS = `
## Settings that depend on each other

- **Which database.** With \`--database-url\`, Penstock uses that PostgreSQL and ignores \`--data-dir\`.
  With \`--data-dir\`, it runs the embedded database in that folder, whatever \`DATABASE_URL\` says. Of
  the two variables, \`DATABASE_URL\` wins. The first lines of the log name the database, the setting
  that decided, and the one that is ignored. The settings
  \`--database-connections\`, \`--listen-url\` and \`--wakeups\` only matter with \`--database-url\`.
- **\`--workers\`** above 1 needs \`--database-url\`, because only one process can open the embedded
  database. \`--database-connections\`, \`--max-buffered-bytes\` and \`--max-followers\` are per worker:
  four workers with the defaults open up to 36 connections to PostgreSQL.
- **\`--host\`** with an address that other machines can reach is refused unless
  [access control](security.md) is on (\`--access on\`, \`--admin-token-file\`, a \`--jwt-…\` key or \`--anonymous\`) or
  \`--allow-anonymous\` says that there shall be none. Addresses other than \`localhost\`, \`::1\` and \`127.x.x.x\` count as reachable.
- **Access control** is on with \`--access on\`, \`--admin-token-file\`, \`--jwt-secret-file\`, \`--jwt-public-key-file\`,
  \`--jwt-jwks-url\` or \`--anonymous\`, and for every database that has ever held an access token. The
  other \`--jwt-…\` settings only matter with a key.
- **Behind a proxy** that passes the Host header on, name that host by \`--public-url\` or
  \`--allowed-hosts\`; requests for other names get 421. A web page of another host needs
  \`--cors-origins\`.
- **\`--listen-url\`** must lead to the same database as \`--database-url\`. It is needed only behind a
  connection pooler, because poolers do not deliver NOTIFY. With \`--wakeups auto\` and a pooler but no
  \`--listen-url\`, the node polls.
- **\`--drain-delay\`** belongs with a proxy that asks \`/ready\`: make it a few of the proxy's intervals,
  and give systemd's \`TimeoutStopSec\` as much more.
- **\`--webhook-allow\`** names every target that is not https on the internet, also those of a private
  network behind the same firewall. A host allows what it resolves to; a network also allows names that
  resolve into it. \`localhost\` stands for all loopback names and addresses. A refusal is logged as
  \`webhook_refused\` or \`delivery_failed\`, with the address.

\`penstock migrate\` and \`penstock keys rotate\` take the same settings and use those of the database.
They make no database: for a folder that holds none they end with exit code 1.

A variable that begins with \`PENSTOCK_\` and is no setting is named in a warning at the start, and
ignored.

## Traces

These variables are OpenTelemetry's. With none of the first two, nothing is traced.

| variable | meaning |
|---|---|
| \`OTEL_EXPORTER_OTLP_ENDPOINT\` | The collector, such as \`http://collector:4318\`. Spans are posted to \`/v1/traces\` there, as JSON. |
| \`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT\` | The whole URL that spans are posted to. |
| \`OTEL_EXPORTER_OTLP_HEADERS\` | Headers of those requests, as \`name=value,name=value\`. |
| \`OTEL_EXPORTER_OTLP_HEADERS_FILE\` | A file that holds them, for they may be secret. This one is Penstock's own. |
| \`OTEL_EXPORTER_OTLP_TIMEOUT\`, \`…_COMPRESSION\`, \`…_CERTIFICATE\`, \`…_CLIENT_CERTIFICATE\`, \`…_CLIENT_KEY\` | As the standard has them. |
| \`OTEL_SERVICE_NAME\`, \`OTEL_RESOURCE_ATTRIBUTES\` | What spans say of their service; \`penstock\` by default. |
| \`OTEL_TRACES_SAMPLER\` | \`always_on\`, \`always_off\`, \`traceidratio\`, or one of these with \`parentbased_\` before it. By default \`parentbased_always_on\`. |
| \`OTEL_TRACES_SAMPLER_ARG\` | The part of all traces that a sampler by ratio records, 0 to 1. |
| \`OTEL_BSP_MAX_QUEUE_SIZE\`, \`OTEL_BSP_SCHEDULE_DELAY\` | How many spans may wait (2048), and for how many milliseconds (5000). |
| \`OTEL_SDK_DISABLED\`, \`OTEL_TRACES_EXPORTER\` | \`true\`, and \`none\`: nothing is traced. |

An endpoint that is no URL is refused. Any other of these that cannot be used is named in a warning at the
start, and ignored.
`;

/** The whole page, from the table of settings. */
export function configurationPage(): string {
  const rows = Object.values<Option>(OPTIONS).map((option) => {
    const value = option.value === undefined ? "" : ` ${escaped(option.value)}`;
    const fallback = option.fallback === "" ? "" : `\`${option.fallback}\``;
    return `| \`--${option.flag}${value}\` | \`${option.environment}\` | ${fallback} | ${
      escaped(option.help)
    } |`;
  });
  return [
    INTRODUCTION,
    "| flag | variable | default | meaning |",
    "|---|---|---|---|",
    ...rows,
    COMBINATIONS,
  ].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) writeFileSync(PAGE, configurationPage());

/** Whether docs/configuration.md is what the table of settings says now. */
export function isCurrent(): boolean {
  return readFileSync(PAGE, "utf8") === configurationPage();
}
