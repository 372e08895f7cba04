"""Probe of the Python client: handles, Stream-Seq, and both live modes."""

import json
import queue
import sys
import threading
import time

import httpx
from durable_streams import DurableStream, SeqConflictError, stream

URL = f"{sys.argv[1]}/python-probe"


def report(step):
    print(json.dumps({"step": step}, separators=(",", ":")), flush=True)


def read():
    with stream(URL, offset="-1", live=False) as response:
        return response.read_json()


def follow(live, arrivals, offset):
    """As an application does: when the connection breaks, again from the last offset."""
    while True:
        try:
            with stream(URL, offset=offset, live=live, timeout=60) as response:
                for event in response.iter_events(mode="json"):
                    for item in event.data:
                        arrivals.put(item)
                    offset = event.next_offset
        except httpx.HTTPError:
            time.sleep(0.05)  # between two attempts to connect


def expect(arrivals, items):
    assert [arrivals.get(timeout=20) for _ in items] == items


handle = DurableStream.create(URL, content_type="application/json")
report("create")
for n in range(3):
    tail = handle.append({"n": n}).next_offset
report("append")
assert read() == [{"n": n} for n in range(3)]
report("read")

# Version 0.1.0 has no idempotent producer: Stream-Seq is its way to refuse what was sent before.
tail = handle.append({"n": 3}, seq="0001").next_offset
try:
    handle.append({"n": 3}, seq="0001")
    raise AssertionError("a repeated Stream-Seq was accepted")
except SeqConflictError:
    assert read() == [{"n": n} for n in range(4)]
report("once-by-seq")

followers = [("long-poll", queue.Queue()), ("sse", queue.Queue())]
for live, arrivals in followers:
    threading.Thread(target=follow, args=(live, arrivals, tail), daemon=True).start()
handle.append({"n": 4})
for live, arrivals in followers:
    expect(arrivals, [{"n": 4}])
    report(live)

report("kill-me")
assert sys.stdin.readline() == "restarted\n"
for n in (5, 6):
    handle.append({"n": n})
assert read() == [{"n": n} for n in range(7)]
report("append-after-restart")
for live, arrivals in followers:
    expect(arrivals, [{"n": 5}, {"n": 6}])
    report(f"{live}-resumed")
