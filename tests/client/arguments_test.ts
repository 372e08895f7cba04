/** Words of the command line: flags, paths, times, and what is told of mistakes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseArguments } from "../../src/client/arguments.ts";
import { COMMANDS } from "../../src/client/commands.ts";
import { append } from "../../src/client/commands/append.ts";
import { tail } from "../../src/client/commands/tail.ts";
import { formatSeconds, parsePatience, secondsOf } from "../../src/client/durations.ts";
import { ClientError } from "../../src/client/exit_codes.ts";
import { nearest } from "../../src/client/nearest.ts";
import { Patience } from "../../src/client/patience.ts";
import { identify } from "../../src/client/producer.ts";
import { formatBytes, fractionOf, progressLine } from "../../src/client/progress.ts";
import { parseBaseUrl, streamUrl } from "../../src/client/stream_url.ts";

const usage = (message: RegExp) => (error: unknown) =>
  error instanceof ClientError && error.exitCode === 2 && message.test(error.message);

Deno.test("parseArguments reads flags in any place and form", () => {
  const { operands, values } = parseArguments(tail, ["-fn", "20", "chat/42", "--offset=now"]);
  assert.deepEqual(operands, ["chat/42"]);
  assert.deepEqual(Object.fromEntries(values), { follow: true, number: "20", offset: "now" });
  const text = parseArguments(append, ["x", "--data", "-5", "--seq", "1"]);
  assert.deepEqual(Object.fromEntries(text.values), { data: "-5", seq: "1" });
  assert.equal(parseArguments(append, ["x", "--data=--json"]).values.get("data"), "--json");
  assert.deepEqual(parseArguments(append, ["--", "--x"]).operands, ["--x"]);
  assert.ok(parseArguments(append, ["--help"]).values.has("help"), "help needs no path");
});

Deno.test("parseArguments says what is wrong, and what was meant", () => {
  const cases: [string[], RegExp][] = [
    [["x", "--prodcuer", "auto"], /no flag --prodcuer: did you mean --producer\?/],
    [["x", "--frobnicate"], /no flag --frobnicate$/],
    [["x", "-z"], /no flag -z$/],
    [["x", "--data"], /--data needs a value/],
    [["x", "--data", "--json"], /--data needs a value/],
    [["x", "--lines=yes"], /--lines takes no value/],
    [["x", "y"], /unexpected argument "y"/],
    [[], /needs <path>/],
  ];
  for (const [args, message] of cases) {
    assert.throws(() => parseArguments(append, args), usage(message), args.join(" "));
  }
});

Deno.test("every command's examples are command lines of it", () => {
  for (const command of COMMANDS) {
    for (const example of command.examples) {
      const words = /penstock (.*?)(?: > .*)?$/.exec(example)![1]!;
      const [name, ...args] = (words.match(/'[^']*'|\S+/g) ?? []).map((word) =>
        word.replace(/^'(.*)'$/, "$1")
      );
      assert.equal(name, command.name);
      parseArguments(command, args);
    }
  }
});

Deno.test("nearest finds a slip of the finger, and no more", () => {
  const known = ["append", "read", "tail", "content-type"];
  for (const slip of ["apend", "appnd", "apepnd", "append"]) {
    assert.equal(nearest(slip, known), "append", slip);
  }
  assert.equal(nearest("raed", known), "read");
  assert.equal(nearest("content", known), "content-type");
  assert.equal(nearest("zzz", known), undefined);
  assert.equal(nearest("", known), undefined);
});

Deno.test("streamUrl encodes each segment, so that every path is its own stream", () => {
  const base = parseBaseUrl("http://h:1/v1/stream/");
  assert.equal(streamUrl(base, "chat/42").href, "http://h:1/v1/stream/chat/42");
  assert.equal(streamUrl(base, "/a b/é?#%").href, "http://h:1/v1/stream/a%20b/%C3%A9%3F%23%25");
  assert.equal(streamUrl(base, "https://o/s/x%20y").href, "https://o/s/x%20y");
  for (
    const path of ["", "/", "a//b", "a/", "..", "a/../b", "a/./b", "%2e%2e/x", "http://h/a/../b"]
  ) {
    assert.throws(() => streamUrl(base, path), usage(/segment/), path);
  }
  const segment = fc.string({ unit: "grapheme", minLength: 1 }).filter((name) =>
    !name.includes("/") && !/^(\.|%2e){1,2}$/i.test(name) && !/^https?:/i.test(name)
  );
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (names) => {
      const { pathname, search, hash } = streamUrl(base, names.join("/"));
      const decoded = pathname.slice("/v1/stream/".length).split("/").map(decodeURIComponent);
      assert.deepEqual([decoded, search, hash], [names, "", ""]);
    }),
  );
  for (const url of ["nonsense", "ftp://h/x", "http://u:p@h/x", "http://h/x?y"]) {
    assert.throws(() => parseBaseUrl(url), usage(/./), url);
  }
});

Deno.test("times are read and written as people do", () => {
  assert.deepEqual(["90", "30s", "5m", "1h", "7d"].map(secondsOf), [90, 30, 300, 3600, 604_800]);
  assert.equal(parsePatience("forever"), Infinity);
  for (const text of ["", "1.5h", "-1", "1w", "h"]) {
    assert.throws(() => secondsOf(text), usage(/./));
  }
  assert.deepEqual([4.4, 200, 7500].map(formatSeconds), ["4 s", "3 min 20 s", "2 h 5 min"]);
});

Deno.test("Patience has none for a server that never answered, and a budget after that", () => {
  let now = 0;
  const patience = new Patience({ givenMs: undefined, answeredMs: 1000 }, () => now);
  assert.equal(patience.afterFailure(), null);
  patience.answered();
  patience.progressed();
  const delays: number[] = [];
  for (let delay; (delay = patience.afterFailure()) !== null; now += delay) delays.push(delay);
  assert.ok(delays.length >= 3 && delays[0]! <= 100, String(delays));
  assert.ok(Math.abs(now - 1000) < 1, "the last attempt comes at the end of the budget");
  patience.progressed();
  assert.ok(patience.afterFailure(700)! >= 700, "a Retry-After is kept");
  const given = new Patience({ givenMs: Infinity, answeredMs: 0 });
  for (let at = 0; at < 100; at++) assert.ok(given.afterFailure()! <= 5000);
});

Deno.test("identify never begins a name with an epoch it had before", () => {
  assert.notEqual(identify("auto", undefined).id, identify("auto", undefined).id);
  const before = Date.now() * 1000;
  const { id, epoch } = identify("job", undefined);
  assert.ok(id === "job" && epoch >= before && Number.isSafeInteger(epoch));
  assert.deepEqual(identify("job", "7"), { id: "job", epoch: 7, claims: false });
  for (const wrong of ["x", "-1", "9007199254740992"]) {
    assert.throws(() => identify("job", wrong), usage(/epoch/), wrong);
  }
  assert.throws(() => identify("auto", "1"), usage(/--epoch needs/));
});

Deno.test("progress names rate and time left", () => {
  const line = progressLine({ bytes: 3 << 20, messages: 1200, fraction: 0.25, seconds: 2 });
  assert.equal(line, "3.0 MiB, 1.5 MiB/s, 1,200 messages, 25 %, 6 s left");
  assert.deepEqual([0, 1023, 1536].map(formatBytes), ["0 B", "1023 B", "1.5 KiB"]);
  assert.equal(fractionOf("0000_0050", "0000_0200"), 0.25);
  assert.equal(fractionOf("0000000000000005_7", "0000000000000010_9"), 0.5);
  assert.equal(fractionOf("abc", "def"), null);
  assert.equal(fractionOf("5", null), null);
});
