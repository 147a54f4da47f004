"""The result of a run as a table and as `.bench/result.json`."""

import json
import os
import platform
from typing import Any

from benchmarks.stand import HOME


def write(results: dict[str, Any]) -> None:
    path = HOME / "result.json"
    path.write_text(json.dumps(results, indent=1), encoding="utf-8")
    cores = os.cpu_count()
    print(
        f"\n{results['clients']:,} clients in one organization of 20; {cores} cores shared by the "
        f"server's one worker, PostgreSQL and the load generator; medians of {results['rounds']} "
        f"rounds; Python {platform.python_version()}; const {results['const']:,.0f}/s.\n"
    )
    print(
        f"{'operation':<24}{'ours/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'CPU µs':>8}"
        f"{'bare/s':>8}{'pgbench/s':>10}{'× const':>9}{'× bare':>8}{'× pgbench':>10}"
        f"{'bound':>7}  {'':<6}{'buffers':>9}"
    )
    for one in results["operations"].values():
        print(_line(one, results["const"]))
    memory = results["memory_mb"]
    if memory["at_rest"] is not None:
        print(
            f"\nMemory of the worker: {memory['at_rest']:.0f} MB at rest, "
            f"{memory['after']:.0f} MB after the run."
        )
    print(f"Loaded in {results['load_seconds']} s, {results['seconds']} s in all; {path}.")


def _line(one: dict[str, Any], const: float) -> str:
    rates, ratios, bound = one["rates"], one["ratios"], one["bound"]
    verdict = "" if bound is None else "PASS" if ratios["pgbench"] >= bound else "short"
    buffers = " + ".join(str(s["buffers"]) for s in one["statements"])
    cpu = "" if one["cpu_us"] is None else f"{one['cpu_us']:,.0f}"
    return (
        f"{one['title']:<24}{rates['ours']:>8,.0f}{one['p50_ms']:>8.1f}{one['p99_ms']:>8.1f}"
        f"{cpu:>8}{rates['bare']:>8,.0f}{rates['pgbench']:>10,.0f}"
        f"{rates['ours'] / const:>9.2f}{ratios['bare']:>8.2f}{ratios['pgbench']:>10.2f}"
        f"{bound or '':>7}  {verdict:<6}{buffers:>9}"
    )
