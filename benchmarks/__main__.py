"""`make bench`: the product against the floors of this machine, alternating within one run."""

import argparse
import asyncio
import signal
import sys
import time
from contextlib import ExitStack

from benchmarks import measure, report
from benchmarks.operations import BOUNDS
from benchmarks.stand import HOME
from crm_api.core.embedded import stop_server
from crm_api.core.private_files import try_lock


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--clients", type=int, default=100_000, help="clients of the organization")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="medians are of so many")
    parser.add_argument("--only", nargs="+", choices=[*BOUNDS, "import"], help="these alone")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, no import")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.quick:
        chosen.rounds, chosen.seconds = 3, 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))
    HOME.mkdir(exist_ok=True)
    if try_lock(HOME / "running") is None:
        sys.exit("Another run is under way; two would measure each other.")
    started = time.monotonic()
    try:
        with ExitStack() as stack:
            results = asyncio.run(measure.run(chosen, stack))
    finally:
        stop_server(HOME / "postgres")
    results["seconds"] = round(time.monotonic() - started)
    report.write(results)


if __name__ == "__main__":
    main()
