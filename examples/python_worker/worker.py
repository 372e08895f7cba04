"""A worker that Penstock wakes: it claims what is new in orders/*, and handles each message.

Standard library only. Start as many as you like: one of them gets each piece of work.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

SERVER = os.environ.get("PENSTOCK_URL", "http://127.0.0.1:4437/v1/stream")
SUBSCRIPTION = f"{SERVER}/__ds/subscriptions/order-workers"
WAKES = f"{SERVER}/wakes/orders"


def ask(method, url, body=None, token=None):
    """The JSON of the answer (None where it has none), and its headers."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        text = response.read()
        return json.loads(text) if text else None, response.headers


def handle(path, message):
    """Your work. It may see a message again after a crash, so make it idempotent."""
    print(path, json.dumps(message), flush=True)


def work():
    """Claims, handles, acknowledges; returns when there is nothing more, or another worker has it."""
    while True:
        try:
            claim, _ = ask("POST", f"{SUBSCRIPTION}/claim", {"worker": f"python-{os.getpid()}"})
        except urllib.error.HTTPError as error:
            if error.code == 409:
                return
            raise
        acks = []
        for stream in claim["streams"]:
            if not stream["has_pending"]:
                continue
            path = stream["path"]
            url = f"{SERVER}/{urllib.parse.quote(path)}?offset={stream['acked_offset']}"
            messages, headers = ask("GET", url)
            for message in messages:
                handle(path, message)
            acks.append({"stream": path, "offset": headers["Stream-Next-Offset"]})
        done = {"wake_id": claim["wake_id"], "generation": claim["generation"]}
        answer, _ = ask(
            "POST", f"{SUBSCRIPTION}/ack", {**done, "acks": acks, "done": True}, claim["token"]
        )
        if not answer.get("next_wake"):
            return


def main():
    ask("PUT", WAKES)
    ask(
        "PUT",
        SUBSCRIPTION,
        {"type": "pull-wake", "pattern": "orders/*", "wake_stream": "wakes/orders"},
    )
    print("waiting for orders", file=sys.stderr, flush=True)
    offset = "-1"
    while True:
        work()
        _, headers = ask("GET", f"{WAKES}?live=long-poll&offset={offset}")
        offset = headers["Stream-Next-Offset"]


if __name__ == "__main__":
    main()
