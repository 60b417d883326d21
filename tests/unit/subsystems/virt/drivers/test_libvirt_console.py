"""Pictures as PNG, whatever the hypervisor gives."""

from __future__ import annotations

import zlib

import pytest

from libvdsm.interfaces.generated.errors import HypervisorError
from libvdsm.subsystems.virt.drivers.libvirt_console import as_png

PIXELS = bytes(range(18))


@pytest.mark.parametrize("header", (b"P6\n3 2\n255\n", b"P6\n# made by hand\n3 2\n255\n"))
def test_a_ppm_becomes_a_png_with_the_same_pixels(header: bytes) -> None:
    png = as_png("image/x-portable-pixmap", header + PIXELS)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png[16:24] == (3).to_bytes(4, "big") + (2).to_bytes(4, "big")
    start = png.index(b"IDAT") + 4
    size = int.from_bytes(png[start - 8 : start - 4], "big")
    assert zlib.decompress(png[start : start + size]) == b"\0" + PIXELS[:9] + b"\0" + PIXELS[9:]


def test_a_png_stays_as_it_is() -> None:
    assert as_png("image/x-portable-pixmap", b"\x89PNG\r\n\x1a\nrest") == b"\x89PNG\r\n\x1a\nrest"


@pytest.mark.parametrize("image", (b"", b"GIF89a", b"P6\nx", b"P6\n3 2\n65535\n" + PIXELS * 2, b"P6\n3 2\n255\n" + PIXELS[:-1]))
def test_what_is_no_picture_is_an_error(image: bytes) -> None:
    with pytest.raises(HypervisorError):
        as_png("image/gif", image)
