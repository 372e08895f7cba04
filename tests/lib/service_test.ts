import assert from "node:assert/strict";
import fc from "fast-check";
import { BaseService, type Service, startAll, stopAll } from "../../src/lib/service.ts";

class Recorded extends BaseService {
  constructor(
    readonly name: string,
    readonly log: string[],
    readonly fails: () => boolean = () => false,
  ) {
    super();
  }

  protected override async onStart(): Promise<void> {
    this.log.push(`${this.name} begins`);
    await Promise.resolve();
    if (this.fails()) throw new Error(`${this.name} fails`);
    this.log.push(`${this.name} runs`);
  }

  protected override async onStop(): Promise<void> {
    await Promise.resolve();
    this.log.push(`${this.name} ends`);
  }
}

Deno.test("a service begins and ends in turn, whatever the order of calls to start and stop", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom("start", "stop"), { maxLength: 20 }),
      async (calls) => {
        const log: string[] = [];
        const service = new Recorded("it", log);
        await Promise.all(calls.map((call) => call === "start" ? service.start() : service.stop()));
        await service.stop();
        const one = ["it begins", "it runs", "it ends"];
        assert.deepEqual(log, Array.from({ length: log.length / 3 }, () => one).flat());
        assert.equal(log.length > 0, calls.includes("start"));
      },
    ),
  );
});

Deno.test("a service whose start fails is stopped, and can be started again", async () => {
  const log: string[] = [];
  let broken = true;
  const service = new Recorded("it", log, () => broken);
  await assert.rejects(service.start(), /it fails/);
  assert.deepEqual(log, ["it begins", "it ends"]);
  broken = false;
  await service.start();
  await service.stop();
  assert.deepEqual(log.slice(2), ["it begins", "it runs", "it ends"]);
});

Deno.test("startAll stops in reverse what it started when a later service fails", async () => {
  const log: string[] = [];
  const services: Service[] = [
    new Recorded("a", log),
    new Recorded("b", log),
    new Recorded("c", log, () => true),
    new Recorded("d", log),
  ];
  await assert.rejects(startAll(services), /c fails/);
  assert.deepEqual(log.filter((line) => line.endsWith("ends")), ["c ends", "b ends", "a ends"]);
  assert(!log.some((line) => line.startsWith("d")));
});

Deno.test("stopAll stops every service, the last first, and then throws the first error", async () => {
  const log: string[] = [];
  const failing: Service = {
    start: () => Promise.resolve(),
    stop: () => Promise.reject(new Error("will not end")),
  };
  const services = [new Recorded("a", log), failing, new Recorded("b", log)];
  await startAll(services);
  await assert.rejects(stopAll(services), /will not end/);
  assert.deepEqual(log.slice(-2), ["b ends", "a ends"]);
});
