"""``make bench``: a short run of all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bench
import messaging

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "raw ping",
    "http ping",
    "raw pipelined ping",
    "raw stats 100",
    "raw worker query",
    "websocket ping",
    "stomp ping",
    "stomp pipelined ping",
]


@pytest.mark.timeout(600)
def test_writes_the_table_and_the_document(tmp_path: Path) -> None:
    """Every row is measured beside the floor of the same run; figures are CPU, so even a short run has them."""
    output = tmp_path / "bench.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), "--rounds", "1", "--milliseconds", "50", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text("utf-8"))
    assert [row["name"] for row in found["results"]] == NAMES
    assert found["floor_us"] > 0
    assert all(row["cpu_us"] > 0 and row["ratio"] > 0 for row in found["results"])
    assert all(name in done.stdout for name in NAMES)
    assert [row["name"] for row in found["results"] if row.get("hops_ratio", 0) > 0] == ["raw worker query"]
    assert all(words in done.stdout for words in ("two hops floor", "× two hops"))
    assert found["fanout"]["cpu_us"] > 0
    assert found["tls"]["handshakes_per_s"] > 0
    assert found["tls"]["idle_kib"] > 0
    assert all(name in done.stdout for name in ("TLS ping", "TLS handshakes per second", "idle TLS connection"))
    assert found["idle"]["connections"] == 1000
    assert found["idle"]["ratio"] > 0
    assert [row["name"] for row in found["messages"]] == [*(load.name for load in messaging.loads()), "AMQP queue"]
    assert all(row["cpu_us"] > 0 and row["name"] in done.stdout for row in found["messages"])
    assert [start["vms"] for start in found["starts"]] == [0, 1000]


def test_ratios_are_taken_round_by_round() -> None:
    """A slow round harms floor and row alike, so it does not change the ratio."""
    floor = bench.Row("floor", b"", 0, [], samples_us=[4.0, 8.0, 4.0])
    row = bench.Row("row", b"", 0, [], floor=floor, samples_us=[6.0, 12.0, 6.0], max_ratio=1.6)
    assert row.ratio == pytest.approx(1.5)
    assert row.is_within


def test_what_two_processes_answer_is_told_beside_two_hops_as_well() -> None:
    """Its budget is one of the floor; how much of it two processes cost by themselves is said beside it."""
    floor, http = (bench.Row(name, b"", 0, [], samples_us=[4.0], rates=[1.0]) for name in ("raw floor", "http floor"))
    hops = bench.Row("two hops floor", b"", 0, [], floor=floor, samples_us=[5.0], rates=[1.0])
    row = bench.Row("raw worker query", b"", 0, [], floor=floor, hops=hops, samples_us=[15.0], rates=[1.0], max_ratio=4.0)
    spread = {"subscribers": 1, "octets": 1, "cpu_us": 1.0, "cause_us": 1.0, "floor_us": 1.0, "ratio": 1.0}
    tls = {"ping_us": 9.0, "ping_floor_us": 8.0, "ping_ratio": 1.1, "handshake_us": 500.0}
    tls |= {"handshakes_per_s": 400, "handshakes_per_s_with_client": 200, "idle_connections": 800, "idle_kib": 20.0}
    idle = {"connections": 1000, "cpu_us": 6.0, "alone_us": 5.0, "ratio": 1.1}
    figures = bench.Figures([floor, http, hops], [row], spread, tls, [], ([], 5.0), idle)
    (line,) = (line for line in bench.report(figures).splitlines() if line.startswith("raw worker query"))
    assert line.endswith("≤ 4.0 × floor; 3.00 × two hops")
    told = {"name": "raw worker query", "cpu_us": 15.0, "ratio": 3.75, "within": True, "hops_ratio": 3.0}
    assert bench.document(figures)["results"] == [told]


def test_a_budget_that_is_exceeded_is_said() -> None:
    """In the table and in the document."""
    floor, http = (bench.Row(name, b"", 0, [], samples_us=[4.0], rates=[1.0]) for name in ("raw floor", "http floor"))
    row = bench.Row("raw ping", b"", 0, [], floor=floor, samples_us=[9.0], rates=[1.0], max_ratio=1.6)
    assert not row.is_within
    spread = {"subscribers": 100, "octets": 300, "cpu_us": 3.0, "cause_us": 1200.0, "floor_us": 2.0, "ratio": 1.5}
    tls = {"ping_us": 9.0, "ping_floor_us": 8.0, "ping_ratio": 1.1, "handshake_us": 500.0}
    tls |= {"handshakes_per_s": 400, "handshakes_per_s_with_client": 200, "idle_connections": 800, "idle_kib": 31.0}
    figures = bench.Figures(
        [floor, http], [row], spread, tls, [], ([], 5.0), {"connections": 1000, "cpu_us": 6.0, "alone_us": 5.0, "ratio": 1.3}
    )
    assert [line.endswith("exceeded") for line in bench.report(figures).splitlines() if "TLS" in line] == [False, False, True, True]
    assert [line.endswith("exceeded") for line in bench.report(figures).splitlines() if "1000 idle" in line] == [True]
    assert "exceeded" in bench.report(figures)
    assert bench.document(figures)["results"] == [{"name": "raw ping", "cpu_us": 9.0, "ratio": 2.25, "within": False}]
