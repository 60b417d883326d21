"""The contract of drivers: what a guest says and shows."""

from __future__ import annotations

import zlib

import msgspec
import pytest

from libvdsm.interfaces.generated.errors import ObjectNotFound, ResourceBusy, Unsupported, WrongState
from libvdsm.interfaces.generated.types import VideoModel, VmState
from tests.contract.virt.hypervisors import Hypervisor, having, read_until

serial = pytest.mark.parametrize("hypervisor", having("serial"), indirect=True)
graphics = pytest.mark.parametrize("hypervisor", having("graphics"), indirect=True)
screenshot = pytest.mark.parametrize("hypervisor", having("screenshot"), indirect=True)


@serial
def test_the_console_carries_bytes_both_ways(hypervisor: Hypervisor) -> None:
    id = hypervisor.define()
    hypervisor.driver.start(id, paused=True)
    with hypervisor.driver.open_serial(id, "ua-serial0", take_over=False) as stream:
        hypervisor.driver.resume(id)
        assert b"READY" in read_until(stream, b"READY")
        stream.sendall(b"echo one two\n")
        assert b"\none two\r" in read_until(stream, b"\none two\r")


@serial
def test_the_console_ends_with_the_process(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with hypervisor.driver.open_serial(id, "ua-serial0", take_over=False) as stream:
        read_until(stream, b"READY")
        hypervisor.driver.destroy(id)
        read_until(stream, b"")


@serial
def test_a_guest_can_power_itself_off(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with hypervisor.driver.open_serial(id, "ua-serial0", take_over=False) as stream:
        read_until(stream, b"READY")
        stream.sendall(b"poweroff\n")
        hypervisor.await_state(id, VmState.STOPPED)
    hypervisor.listener.await_event(id, "stopped")


@serial
def test_a_console_has_one_reader_unless_it_is_taken_over(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with hypervisor.driver.open_serial(id, "ua-serial0", take_over=False) as first:
        read_until(first, b"READY")
        with pytest.raises(ResourceBusy):
            hypervisor.driver.open_serial(id, "ua-serial0", take_over=False)
        with hypervisor.driver.open_serial(id, "ua-serial0", take_over=True) as second:
            read_until(first, b"")
            second.sendall(b"echo mine\n")
            read_until(second, b"\nmine\r")


@serial
def test_a_console_can_be_opened_again_after_its_reader_left(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with hypervisor.driver.open_serial(id, "ua-serial0", take_over=False) as first:
        read_until(first, b"READY")
    with hypervisor.driver.open_serial(id, "ua-serial0", take_over=True) as second:
        second.sendall(b"echo again\n")
        read_until(second, b"\nagain\r")


@serial
def test_an_unknown_port_and_a_stopped_domain_are_refused(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with pytest.raises(ObjectNotFound) as raised:
        hypervisor.driver.open_serial(id, "ua-nothing", take_over=False)
    assert raised.value.params["type"] == "device"
    hypervisor.driver.destroy(id)
    with pytest.raises(WrongState):
        hypervisor.driver.open_serial(id, "ua-serial0", take_over=False)


@graphics
def test_the_screen_speaks_rfb(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    with hypervisor.driver.open_graphics(id) as stream:
        assert read_until(stream, b"\n") == b"RFB 003.008\n"
        stream.sendall(b"RFB 003.008\n")
        kinds = read_until(stream, b"\x01")
        assert kinds[0] == len(kinds) - 1
        stream.sendall(b"\x01")
        result = b""
        while len(result) < 4:
            result += stream.recv(4 - len(result))
        assert result == bytes(4)
        stream.sendall(b"\x01")
        width, height = int.from_bytes(stream.recv(2), "big"), int.from_bytes(stream.recv(2), "big")
        assert width > 0
        assert height > 0


@graphics
def test_no_screen_no_graphics(hypervisor: Hypervisor) -> None:
    id = hypervisor.define(config=msgspec.structs.replace(hypervisor.config, graphics=[]))
    with pytest.raises(WrongState):
        hypervisor.driver.open_graphics(id)
    hypervisor.driver.start(id, paused=False)
    with pytest.raises(Unsupported):
        hypervisor.driver.open_graphics(id)


@screenshot
def test_a_screenshot_is_a_png_that_can_be_decoded(hypervisor: Hypervisor) -> None:
    id = hypervisor.started()
    kind, image = hypervisor.driver.screenshot(id, 0)
    assert kind == "image/png"
    width, height, channels, pixels = decode_png(image)
    assert width * height > 0
    assert len(pixels) == height * (1 + width * channels)


@screenshot
def test_there_is_no_screenshot_without_a_screen(hypervisor: Hypervisor) -> None:
    id = hypervisor.define(config=msgspec.structs.replace(hypervisor.config, video=VideoModel.NONE, graphics=[]))
    with pytest.raises(WrongState):
        hypervisor.driver.screenshot(id, 0)
    hypervisor.driver.start(id, paused=False)
    with pytest.raises(Unsupported):
        hypervisor.driver.screenshot(id, 0)


def decode_png(image: bytes) -> tuple[int, int, int, bytes]:
    """Width, height, bytes of a pixel and the filtered rows of an eight-bit PNG; checks every chunk's sum."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = [], 8
    while at < len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        kind, data = image[at + 4 : at + 8], image[at + 8 : at + 8 + size]
        assert int.from_bytes(image[at + 8 + size : at + 12 + size], "big") == zlib.crc32(kind + data)
        chunks.append((kind, data))
        at += 12 + size
    assert chunks[0][0] == b"IHDR"
    assert chunks[-1] == (b"IEND", b"")
    header = chunks[0][1]
    assert header[8] == 8, "eight bits"
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[header[9]]
    pixels = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    return int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big"), channels, pixels
