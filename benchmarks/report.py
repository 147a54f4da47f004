"""The result of a run as a table and as `.bench/result.json`."""

import json
import os
import platform
from statistics import median
from typing import Any

from benchmarks.stand import HOME, ORGANIZATIONS

SAME_COST = 0.9
"""Page 1000 costs what page 1 costs: its throughput is at least this share."""
TYPING_COST = 2.0
"""Suggestions take at most so many times a get."""


def write(results: dict[str, Any]) -> None:
    path = HOME / "result.json"
    path.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if "operations" in results:
        _operations(results)
    if "import" in results:
        _import(results["import"])
    print(f"Loaded in {results['load_seconds']} s, {results['seconds']} s in all; {path}.")


def _operations(results: dict[str, Any]) -> None:
    print(
        f"\n{results['clients']:,} clients in one organization of {ORGANIZATIONS}. "
        f"{os.cpu_count()} cores for all: one worker, PostgreSQL, the load generator "
        f"({results['connections']} connections).\nMedians of {results['rounds']} rounds; "
        f"Python {platform.python_version()}; const {results['const']:,.0f}/s."
    )
    if results["noisy"]:
        print(f"Others were at work at the beginning of {results['noisy']} measurements.")
    print(
        f"\n{'operation':<24}{'ours/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}"
        f"{'bare/s':>8}{'pgbench/s':>11}{'to const':>9}{'to bare':>8}{'to pgbench':>11}"
        f"{'bound':>7}  {'':<7}{'buffers':>8}{'SQL ms':>13}"
    )
    found = results["operations"]
    for one in found.values():
        print(_line(one, results["const"]))
    if {"list", "deep"} <= found.keys():
        pairs = zip(
            found["deep"]["all_rates"]["ours"], found["list"]["all_rates"]["ours"], strict=True
        )
        share = median(deep / first for deep, first in pairs)
        print(f"\nPage 1000 is answered at {share:.2f} of the rate of page 1: ", end="")
        print("PASS" if share >= SAME_COST else "short")
    if {"get", "suggest"} <= found.keys():
        times = found["suggest"]["p50_ms"] / found["get"]["p50_ms"]
        print(f"Suggestions take {times:.2f} times a get: ", end="")
        print("PASS" if times <= TYPING_COST else "short")
    memory = results["memory_mb"]
    if memory["at_rest"] is not None:
        print(
            f"Memory of the worker: {memory['at_rest']:.0f} MB at rest, "
            f"{memory['after']:.0f} MB after the run."
        )


def _line(one: dict[str, Any], const: float) -> str:
    rates, ratios, bound = one["rates"], one["ratios"], one["bound"]
    verdict = "" if bound is None else "PASS" if ratios["pgbench"] >= bound else "short"
    buffers = "+".join(str(s["buffers"]) for s in one["statements"])
    milliseconds = "+".join(
        f"{s['planning_ms'] + s['execution_ms']:.2f}" for s in one["statements"]
    )
    cpu = "" if one["cpu_us"] is None else f"{one['cpu_us']:,.0f}"
    return (
        f"{one['title']:<24}{rates['ours']:>8,.0f}{one['p50_ms']:>8.1f}{one['p99_ms']:>8.1f}"
        f"{cpu:>8}{rates['bare']:>8,.0f}{rates['pgbench']:>11,.0f}"
        f"{rates['ours'] / const:>9.3f}{ratios['bare']:>8.2f}{ratios['pgbench']:>11.2f}"
        f"{bound or '':>7}  {verdict:<7}{buffers:>8}{milliseconds:>13}"
    )


def _import(found: dict[str, Any]) -> None:
    ours, floor, rows = median(found["ours"]), median(found["floor"]), found["rows"]
    ratio = median(f / o for f, o in zip(found["floor"], found["ours"], strict=True))
    print(
        f"\nImport of {rows:,} rows by `crm-api import`: {rows / ours:,.0f} rows/s, "
        f"{median(found['cpu_us']):.0f} µs of computing a row, {min(found['created']):,} created; "
        f"COPY and set SQL of the same rows: {rows / floor:,.0f} rows/s; ratio {ratio:.2f}."
    )
