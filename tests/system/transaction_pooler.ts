/**
 * A connection pooler in transaction mode, as unforgiving as one can be: every transaction gets the
 * server session that has rested longest, whatever the client did before; start-up parameters that
 * are not harmless are refused as PgBouncer does; and what a session hears outside of transactions
 * (NOTIFY) goes nowhere. For servers that trust.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

const HARMLESS = ["user", "database", "client_encoding", "application_name"];
const READY = 0x5a;
const TERMINATE = 0x58;

/** One session with PostgreSQL, lent out a transaction at a time. */
interface ServerSession {
  readonly socket: Socket;
  receive: (message: Uint8Array) => void;
}

export class TransactionPooler {
  readonly url: string;
  /** Transactions that were passed on. */
  transactions = 0;
  /** Start-up parameters that were refused. */
  readonly refused: string[] = [];
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #sessions: ServerSession[];
  readonly #resting: ServerSession[] = [];
  readonly #waiting: ((session: ServerSession) => void)[] = [];

  private constructor(server: Server, target: URL, sessions: ServerSession[]) {
    this.#server = server;
    this.#sessions = sessions;
    this.#resting.push(...sessions);
    const url = new URL(target);
    url.port = String((server.address() as AddressInfo).port);
    this.url = url.href;
    server.on("connection", (client) => this.#accept(client));
  }

  /** In front of the database of this URL, with so many sessions. */
  static async start(databaseUrl: string, sessions = 3): Promise<TransactionPooler> {
    const target = new URL(databaseUrl);
    const opened = await Promise.all(
      Array.from({ length: sessions }, () => openSession(target)),
    );
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TransactionPooler(server, target, opened);
  }

  stop(): void {
    for (const client of this.#clients) client.destroy();
    for (const { socket } of this.#sessions) socket.destroy();
    this.#server.close();
  }

  #accept(client: Socket): void {
    this.#clients.add(client);
    client.setNoDelay(true);
    client.on("error", () => {});
    client.on("close", () => this.#clients.delete(client));
    let lent: ServerSession | undefined;
    let started = false;
    let pending: Promise<void> = Promise.resolve();
    const pass = async (message: Uint8Array) => {
      if (message[0] === TERMINATE) return void client.destroy();
      lent ??= await this.#lend();
      const session = lent;
      session.receive = (answer) => {
        client.write(answer);
        // Idle, not in a transaction: the session is another's now.
        if (answer[0] !== READY || answer[5] !== 0x49) return;
        lent = undefined;
        this.transactions++;
        this.#rest(session);
      };
      session.socket.write(message);
    };
    client.on(
      "data",
      splitter(() => !started, (message) => {
        if (started) {
          pending = pending.then(() => pass(message));
          return;
        }
        started = this.#greet(client, message);
      }),
    );
  }

  /** False when the client has to begin again: it asked for TLS. */
  #greet(client: Socket, message: Uint8Array): boolean {
    const code = new DataView(message.buffer, message.byteOffset).getInt32(4);
    if (code === 80877103) {
      client.write("N");
      return false;
    }
    const names = new TextDecoder().decode(message.subarray(8)).split("\0")
      .filter((_, at) => at % 2 === 0);
    const unknown = names.find((name) => name !== "" && !HARMLESS.includes(name));
    if (unknown !== undefined) {
      this.refused.push(unknown);
      client.end(encode(
        0x45,
        [
          ...["SFATAL", "VFATAL", "C08P01", `Munsupported startup parameter: ${unknown}`, ""],
        ].join("\0") + "\0",
      ));
      return true;
    }
    client.write(encode(0x52, "\0\0\0\0"));
    client.write(encode(0x53, "server_version\x0018.0\0"));
    // The process id of nobody, and a secret.
    client.write(encode(0x4b, "\x7f\x01\x02\x03abcd"));
    client.write(encode(READY, "I"));
    return true;
  }

  #lend(): Promise<ServerSession> {
    const session = this.#resting.shift();
    if (session !== undefined) return Promise.resolve(session);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #rest(session: ServerSession): void {
    session.receive = () => {};
    const next = this.#waiting.shift();
    if (next === undefined) this.#resting.push(session);
    else next(session);
  }
}

async function openSession(target: URL): Promise<ServerSession> {
  const socket = connect({ host: target.hostname, port: Number(target.port || 5432) });
  socket.setNoDelay(true);
  socket.on("error", () => {});
  const session: ServerSession = { socket, receive: () => {} };
  const ready = new Promise<void>((resolve, reject) => {
    session.receive = (message) => {
      if (message[0] === READY) resolve();
      if (message[0] === 0x45) reject(new Error(new TextDecoder().decode(message)));
    };
    socket.once("close", () => reject(new Error("PostgreSQL closed the session")));
  });
  socket.on("data", splitter(() => false, (message) => session.receive(message)));
  const parameters = ["user", target.username, "database", target.pathname.slice(1)];
  socket.write(encode(null, `\0\x03\0\0${parameters.join("\0")}\0\0`));
  await ready;
  session.receive = () => {};
  return session;
}

/** A message of the protocol; the first one of a connection has no type. Latin-1 in, bytes out. */
function encode(type: number | null, content: string): Uint8Array {
  const head = type === null ? 4 : 5;
  const bytes = new Uint8Array(head + content.length);
  if (type !== null) bytes[0] = type;
  new DataView(bytes.buffer).setInt32(head - 4, content.length + 4);
  for (let at = 0; at < content.length; at++) bytes[head + at] = content.charCodeAt(at);
  return bytes;
}

/** Cuts what arrives into messages. */
function splitter(
  untyped: () => boolean,
  onMessage: (message: Uint8Array) => void,
): (chunk: Uint8Array) => void {
  let held = new Uint8Array(0);
  return (chunk) => {
    const joined = new Uint8Array(held.length + chunk.length);
    joined.set(held);
    joined.set(chunk, held.length);
    held = joined;
    while (true) {
      const head = untyped() ? 0 : 1;
      if (held.length < head + 4) return;
      const length = head + new DataView(held.buffer, held.byteOffset).getInt32(head);
      if (held.length < length) return;
      const message = held.slice(0, length);
      held = held.subarray(length);
      onMessage(message);
    }
  };
}
