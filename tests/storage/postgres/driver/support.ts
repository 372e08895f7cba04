/** A client of the driver, for tests of one internal of postgres.js each. */
import {
  DriverClient,
  type DriverOptions,
} from "../../../../src/storage/postgres/driver/client.ts";
import { parsePostgresUrl } from "../../../../src/storage/postgres/url.ts";
import { freshDatabase } from "../../../support/postgres.ts";

/** A client of a database of its own, ended and dropped after the test. */
export async function withClient(
  options: Partial<DriverOptions>,
  test: (client: DriverClient, url: string) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const { url, drop } = await freshDatabase();
  stack.defer(drop);
  const { driverUrl, hosts } = parsePostgresUrl(url);
  const client = new DriverClient({
    url: driverUrl,
    connections: 1,
    timeoutMs: 5000,
    session: { application_name: "penstock" },
    prepares: true,
    primaryOnly: false,
    host: () => Promise.resolve(hosts[0]!),
    onConnectionLost: () => {},
    ...options,
  });
  stack.defer(() => client.end());
  await test(client, url);
}
