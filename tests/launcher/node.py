"""A stand-in for ``meshq join``: says it is ready, then does as its arguments tell it."""

import json
import os
import signal
import sys

arguments = dict(zip(sys.argv[1:], sys.argv[2:], strict=False))


def leave(number: int, frame: object) -> None:
    print(json.dumps({"event": "stopped"}))
    print("left in peace", file=sys.stderr)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if "--fail" in arguments:
    print("port 5 is taken", file=sys.stderr)
    sys.exit(3)
print("no JSON at all")
if "--mute" not in arguments:
    port = int(arguments["--port"]) or 10_000 + os.getpid() % 10_000
    ready = {"event": "ready", "name": arguments["--name"], "mesh": f"127.0.0.1:{port}", "http": "127.0.0.1:8"}
    print(json.dumps(ready))
    print(json.dumps({"event": "arguments", "all": sys.argv[1:]}))
while True:
    signal.pause()
