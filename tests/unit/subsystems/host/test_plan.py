"""What is computed from what the host says."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.subsystems.host.driver import CpuTimes, HostFacts, Memory
from libvdsm.subsystems.host.plan import (
    clean,
    cpu_percent,
    host_id,
    parse_cpu_model,
    parse_loadavg,
    parse_meminfo,
    parse_os_release,
    parse_stat,
    settled,
)

STAT = """cpu  100 20 30 800 40 5 5 0 60 0
cpu0 50 10 15 400 20 2 3 0 30 0
cpu2 50 10 15 400 20 3 2 0 30 0
intr 12345 0 0
ctxt 99
btime 1700000000
processes 5
"""
MEMINFO = "MemTotal:       16384 kB\nMemFree:         1000 kB\nMemAvailable:   8192 kB\nSwapTotal:      1024 kB\nSwapFree:        512 kB\nHugePages_Total:   0\n"
UUID = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"
MACHINE_ID = "0123456789abcdef0123456789abcdef"
FACTS = HostFacts(
    id=UUID,
    hostname="host",
    operating_system="Linux",
    kernel="6.1",
    architecture="x86_64",
    cpu_model=None,
    cpus=2,
    memory_bytes=1,
    booted_at=1000.0,
)


def test_processor_times_count_guests_once_and_waiting_as_idle() -> None:
    times, cpus, booted_at = parse_stat(STAT)
    assert times == CpuTimes(busy=160.0, idle=840.0)
    assert (cpus, booted_at) == (2, 1_700_000_000.0)


@pytest.mark.parametrize("text", ("", "cpu 1 2 3 4 5", "cpu 1 2 3 4\nbtime 5", "cpu0 1\nbtime 5", "cpu x y\ncpu0 1\nbtime 5"))
def test_a_stat_file_that_lacks_something_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"/proc/stat|could not convert"):
        parse_stat(text)


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    (
        (CpuTimes(100, 900), CpuTimes(150, 950), 50.0),
        (CpuTimes(100, 900), CpuTimes(100, 1000), 0.0),
        (CpuTimes(100, 900), CpuTimes(200, 900), 100.0),
        (CpuTimes(100, 900), CpuTimes(100, 900), 0.0),
        (CpuTimes(100, 900), CpuTimes(110, 899), 100.0),  # iowait went back
        (CpuTimes(100, 900), CpuTimes(0, 0), 0.0),
    ),
)
def test_processor_use_is_the_share_between_two_samples(before: CpuTimes, after: CpuTimes, percent: float) -> None:
    assert cpu_percent(before, after) == percent


@given(*[st.floats(0, 1e15)] * 4)
def test_processor_use_is_always_a_percentage(a: float, b: float, c: float, d: float) -> None:
    assert 0 <= cpu_percent(CpuTimes(a, b), CpuTimes(c, d)) <= 100


def test_memory_is_in_bytes() -> None:
    assert parse_meminfo(MEMINFO) == Memory(total=16 << 20, available=8 << 20, swap_total=1 << 20, swap_free=512 << 10)


def test_a_kernel_that_does_not_tell_what_is_available_tells_what_is_free() -> None:
    assert parse_meminfo("MemTotal: 10 kB\nMemFree: 4 kB\n").available == 4096


def test_a_meminfo_without_a_total_is_refused() -> None:
    with pytest.raises(ValueError, match="MemTotal"):
        parse_meminfo("MemFree: 4 kB\n")


def test_load_averages() -> None:
    assert parse_loadavg("0.50 1.25 2.00 1/123 4567\n") == (0.5, 1.25, 2.0)


@pytest.mark.parametrize("text", ("", "1 2", "a b c", "nan 1 1", "-1 0 0"))
def test_load_averages_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="/proc/loadavg"):
        parse_loadavg(text)


@pytest.mark.parametrize(
    ("text", "name"),
    (
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian"\n', "Debian GNU/Linux 12 (bookworm)"),
        ("NAME=Alpine\nVERSION_ID=3.20\n", "Alpine 3.20"),
        ("PRETTY_NAME='A \\$ sign'\n", "A $ sign"),
        ('PRETTY_NAME="\x1b[31mred\x07"\n', "[31mred"),
        ("", "Linux"),
    ),
)
def test_the_distribution_is_told_in_clean_words(text: str, name: str) -> None:
    assert parse_os_release(text) == name


@pytest.mark.parametrize(
    ("text", "model"),
    (
        ("processor : 0\nmodel name\t: Some CPU @ 2.0GHz\nflags : x\n", "Some CPU @ 2.0GHz"),
        ("processor\t: 0\ncpu\t\t: POWER9\n", "POWER9"),
        ("processor : 0\nBogoMIPS : 50\n", None),
        ("", None),
    ),
)
def test_the_processor_has_a_name_or_none(text: str, model: str | None) -> None:
    assert parse_cpu_model(text) == model


@given(st.text(max_size=1000))
def test_clean_text_has_no_control_characters_and_an_end(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= 256
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in cleaned)
    assert clean(cleaned) == cleaned


def test_half_a_character_does_not_reach_the_wire() -> None:
    assert clean("a\ud800b").encode() == b"a?b"


def test_the_makers_number_is_the_hosts_id() -> None:
    assert host_id(UUID.upper() + "\n", MACHINE_ID, "host") == UUID


@pytest.mark.parametrize(
    "placeholder",
    (
        "",
        "Not Settable",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
    ),
)
def test_a_number_that_is_none_is_passed_over(placeholder: str) -> None:
    found = host_id(placeholder, MACHINE_ID, "host")
    assert uuid.UUID(found).version == 5
    assert found == host_id("", MACHINE_ID, "another")
    assert MACHINE_ID not in found.replace("-", "")


@pytest.mark.parametrize("machine_id", ("", "uninitialized", "0" * 32))
def test_without_any_number_the_name_stands_for_the_host(machine_id: str) -> None:
    assert host_id("", machine_id, "a") != host_id("", machine_id, "b")
    assert host_id("", machine_id, "a") == host_id("", machine_id, "a")


def test_a_clock_that_is_corrected_is_no_reboot() -> None:
    assert settled(FACTS, replace(FACTS, booted_at=1001.0)) == FACTS
    assert settled(FACTS, replace(FACTS, booted_at=1100.0)).booted_at == 1100.0
    assert settled(None, FACTS) == FACTS
