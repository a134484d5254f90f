"""What the Python clients share: the data of the scenarios, and how a program says what it saw, a line of JSON for each step."""
import json
import sys
import time
import traceback

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
LARGE = b"L" * (900 * 1024)
T0 = 1_700_000_000_000


def codec_value(codec, i):
    return f"{codec} {i} {'x' * 100}".encode()


def shown(value):
    """Bytes as a scenario shows them: text, or the size of what is long."""
    if value is None:
        return None
    return f"{len(value)} bytes" if len(value) > 1000 else value.decode()


def eventually(holds):
    """Waits until something holds, for 30 seconds. What it calls is expected to take a moment itself."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if holds():
            return
        time.sleep(0.01)
    raise TimeoutError("waited 30 seconds")


def run(scenarios):
    """Runs the scenarios that the command line names. One that fails says so, and the next one runs."""
    for name in sys.argv[2:]:
        def say(step, **details):
            print(json.dumps({"scenario": name, "step": step, **details}, separators=(",", ":")), flush=True)
        try:
            scenarios[name](say)
        except Exception:
            say("failed", reason=traceback.format_exc())
