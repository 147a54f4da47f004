"""The run: everything is measured in turn, again and again, so that all meet the same machine."""

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks import explain
from benchmarks.importing import measure_import
from benchmarks.operations import Operation, operations, plan_file
from benchmarks.processes import Generator, Server
from benchmarks.quiet import Patience
from benchmarks.stand import Stand, build
from benchmarks.statements import record

CONNECTIONS = 16
IMPORT_ROWS = 50_000
IMPORT_PAIRS = 2
PATIENCE_SECONDS = 30.0
LIMIT_SECONDS = 345.0
"""No round begins that would end later."""


@dataclass(slots=True)
class Figures:
    """What was measured of one operation, a value for each round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def add(self, kind: str, rate: float) -> None:
        self.rates.setdefault(kind, []).append(rate)


class Bench:
    """The servers and the generator of one run."""

    def __init__(self, stack: ExitStack, stand: Stand, plan: str, seconds: int) -> None:
        self.stand = stand
        self.seconds = seconds
        self.patience = Patience(PATIENCE_SECONDS)
        self.generator = Generator(stack)
        self.ours = Server(stack, "ours", (), stand.environment())
        self.bare = Server(stack, "bare", (plan,), {})
        self.const = Server(stack, "const", (), {})

    def call(self, server: Server, groups: Any) -> dict[str, Any]:
        order = {
            "port": server.port,
            "connections": CONNECTIONS,
            "seconds": self.seconds,
            "groups": groups,
        }
        found = self.generator.run(order)
        if found["failed"] or not found["rate"]:
            raise RuntimeError(
                f"{server.kind}: {found['failed']}\n{found['sample']}\n{server.tail()}"
            )
        return found

    def measure(self, operation: Operation, figures: Figures) -> None:
        """Ours, bare, pgbench: one after the other, never at once."""
        self.patience.wait()
        before = self.ours.cpu_seconds()
        found = self.call(self.ours, operation.ours)
        after = self.ours.cpu_seconds()
        figures.add("ours", found["rate"])
        figures.p50_ms.append(found["p50_ms"])
        figures.p99_ms.append(found["p99_ms"])
        if before is not None and after is not None:
            figures.cpu_us.append((after - before) / found["answered"] * 1e6)
        figures.add("bare", self.call(self.bare, operation.bare)["rate"])
        figures.add("pgbench", operation.script.run(self.stand, self.seconds))


async def run(chosen: argparse.Namespace, stack: ExitStack) -> dict[str, Any]:
    """All figures of a run, ready to be printed and kept."""
    began = time.monotonic()
    print(f"Loading {chosen.clients:,} clients …", flush=True)
    stand = await build(chosen.clients)
    recorded = await record(stand)
    results: dict[str, Any] = {
        "clients": chosen.clients,
        "load_seconds": round(time.monotonic() - began, 1),
        "connections": CONNECTIONS,
    }
    plans = await explain.explain(stand, recorded)
    asked = chosen.only or ()
    wanted = [one for one in operations(stand, recorded) if not asked or one.name in asked]
    if wanted:
        bench = Bench(stack, stand, plan_file(stand, recorded.calls), chosen.seconds)
        at_rest = bench.ours.resident_megabytes()
        left = LIMIT_SECONDS - (time.monotonic() - began) - (0 if chosen.quick else 50)
        figures, constant = _rounds(bench, wanted, chosen.rounds, left)
        results |= {
            "rounds": len(constant),
            "const": median(constant),
            "noisy": bench.patience.noisy,
            "memory_mb": {"at_rest": at_rest, "after": bench.ours.resident_megabytes()},
            "operations": {one.name: _summary(one, figures[one.name], plans) for one in wanted},
        }
    if "import" in asked or not (asked or chosen.quick):
        print(f"Importing {IMPORT_ROWS:,} rows, {IMPORT_PAIRS} times …", flush=True)
        results["import"] = await measure_import(stand, IMPORT_ROWS, IMPORT_PAIRS)
    return results


def _rounds(
    bench: Bench, wanted: list[Operation], rounds: int, seconds: float
) -> tuple[dict[str, Figures], list[float]]:
    """Each operation's figures, and the constant floor's rates; fewer rounds if time runs out."""
    figures = {one.name: Figures() for one in wanted}
    constant: list[float] = []
    began = time.monotonic()
    for n in range(rounds):
        spent = time.monotonic() - began
        if n and spent + spent / n > seconds:
            break
        print(f"Round {n + 1} of {rounds} …", flush=True)
        bench.patience.wait()
        constant.append(bench.call(bench.const, wanted[0].bare)["rate"])
        for one in wanted:
            bench.measure(one, figures[one.name])
    return figures, constant


def _summary(one: Operation, figures: Figures, plans: dict[str, Any]) -> dict[str, Any]:
    rates = figures.rates
    # Each round's ratio by itself: the machine may have been busier in another round.
    ratios = {
        floor: median(a / b for a, b in zip(rates["ours"], rates[floor], strict=True))
        for floor in ("bare", "pgbench")
    }
    return {
        "title": one.title,
        "bound": one.bound,
        "rates": {kind: median(values) for kind, values in rates.items()},
        "all_rates": rates,
        "ratios": ratios,
        "cpu_us": median(figures.cpu_us) if figures.cpu_us else None,
        "p50_ms": median(figures.p50_ms),
        "p99_ms": median(figures.p99_ms),
        "statements": plans[one.name],
    }
