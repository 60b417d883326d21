"""``python -m tests.fuzz.fuzz TARGET SECONDS``: octets that reach new places of the code (atheris), or octets by chance without it.

What fails is kept in tests/fuzz/corpus/TARGET, where the tests find it from then on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"
LONGEST = 512
LONGEST_INPUT_S = 5.0


def seeds(target: str) -> list[bytes]:
    """What is in the tree."""
    return [file.read_bytes() for file in sorted((CORPUS / target).iterdir())]


def spoil(chance: random.Random, known: list[bytes]) -> bytes:
    """Two seeds, joined somewhere, with some octets changed, doubled or left out."""
    first, second = chance.choice(known), chance.choice(known)
    data = bytearray(first[: chance.randint(0, len(first))] + second[chance.randint(0, len(second)) :] if chance.random() < 0.5 else first)
    for _ in range(chance.randint(0, 6)):
        at, length = chance.randint(0, len(data)), chance.randint(1, 8)
        way = chance.randrange(5)
        if way == 0:
            data[at : at + 1] = bytes((chance.randrange(256),))
        elif way == 1:
            data[at:at] = chance.randbytes(length)
        elif way == 2:
            del data[at : at + length]
        elif way == 3:
            data[at:at] = data[at : at + length]
        else:
            data[at : at + 1] = chance.choice((b"\0", b"\n", b"\r\n", b"\xff", b"{", b"]", b'"', b":", b"\\"))
    return bytes(data[:LONGEST])


def by_chance(target: str, seconds: float, seed: int) -> int:
    """Try inputs for so long; answers how many. An input that takes too long fails as well."""
    from tests.fuzz.targets import TARGETS

    chance, known, run = random.Random(seed), seeds(target), TARGETS[target]
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = spoil(chance, known)
        begun = time.monotonic()
        try:
            run(data)
        except BaseException:
            keep(target, data)
            raise
        took = time.monotonic() - begun
        assert took < LONGEST_INPUT_S, f"{target}: {data!r} took {took:.1f} s"
        count += 1
    return count


def keep(target: str, data: bytes) -> None:
    """For the tests, which run it from then on."""
    (CORPUS / target / f"found-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
    sys.stderr.write(f"\n{target} fails with {data!r}\n")


def by_coverage(target: str, seconds: int) -> None:
    """Ends the process: with 0 if nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["libvdsm"]):
        from tests.fuzz.targets import TARGETS
    with tempfile.TemporaryDirectory(prefix="vdsm-fuzz-") as found:
        options = [f"-max_total_time={seconds}", f"-timeout={LONGEST_INPUT_S:.0f}", f"-max_len={LONGEST}", "-print_final_stats=1"]
        options += ["-verbosity=0", f"-artifact_prefix={CORPUS / target}/found-"]
        atheris.Setup([sys.argv[0], *options, found, str(CORPUS / target)], TARGETS[target])
        atheris.Fuzz()


def main() -> None:
    """One target."""
    target, seconds = sys.argv[1], int(sys.argv[2])
    if importlib.util.find_spec("atheris") is not None:
        by_coverage(target, seconds)
    else:
        print(f"{target}: {by_chance(target, seconds, time.time_ns())} inputs by chance, without atheris")  # noqa: T201 - a program


if __name__ == "__main__":
    main()
