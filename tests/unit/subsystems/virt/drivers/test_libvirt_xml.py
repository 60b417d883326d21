"""A configuration survives libvirt's XML, and nothing in it becomes markup."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libvdsm.interfaces.generated.errors import InvalidParams, Unsupported
from libvdsm.interfaces.generated.types import CpuMode, VmConfig
from libvdsm.subsystems.virt import plan
from libvdsm.subsystems.virt.driver import Definition
from libvdsm.subsystems.virt.drivers import libvirt_reader, libvirt_writer, libvirt_xml

EXPANDED = '<cpu mode="custom" match="exact"><model>Skylake-Client</model><vendor>Intel</vendor></cpu>'
EMPTY = {"device": "cdrom", "bus": "sata"}
VM = "6f1fca2e-28e8-4bf0-b8de-0b3a4a2b9e3d"

ANY = st.text(st.characters(codec="utf-8"))
PRINTABLE = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
PATHS = st.text(PRINTABLE, min_size=1, max_size=20).map("/".__add__)
IDS = st.none() | st.from_regex(r"ua-[A-Za-z0-9_-]{1,8}", fullmatch=True)
FILES = st.fixed_dictionaries({"kind": st.just("file"), "path": PATHS, "format": st.sampled_from(["raw", "qcow2"])})
BLOCKS = st.fixed_dictionaries({"kind": st.just("block"), "path": PATHS.map("/dev".__add__)})


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A record with any of these members."""
    return st.fixed_dictionaries({}, optional=members).map(
        lambda record: {key: value for key, value in record.items() if value is not None}
    )


DISKS = st.builds(
    lambda members, source: {**members, **source},
    some(id=IDS, readOnly=st.booleans(), bus=st.sampled_from(["virtio", "scsi", "sata"])),
    st.one_of(st.builds(lambda source: {"source": source}, FILES | BLOCKS), st.just({"device": "cdrom", "bus": "sata"})),
)
NICS = st.builds(
    lambda members, source: {**members, "source": source},
    some(id=IDS, model=st.sampled_from(["virtio", "e1000e", "rtl8139"])),
    st.sampled_from([{"kind": "user"}, {"kind": "bridge", "bridge": "br0"}, {"kind": "network", "network": "default"}]),
)
CPUS = st.one_of(
    some(mode=st.sampled_from(["maximum", "hostPassthrough", "hostModel"])),
    st.just({"mode": "custom", "model": "qemu64"}),
    some(cores=st.just(1)),
)
CONFIGS = st.builds(
    lambda required, rest: {**required, **rest},
    st.fixed_dictionaries({"memory": st.integers(16 << 10, 1 << 30).map(lambda kib: kib * 1024)}),
    some(
        vcpus=st.integers(1, 16),
        cpu=CPUS,
        firmware=st.sampled_from([{}, {"kind": "uefi"}, {"kind": "uefi", "secureBoot": True}]),
        machine=st.sampled_from(["q35", "pc", "pc-q35-7.2"]),
        kernel=st.builds(lambda path, rest: {"path": path, **rest}, PATHS, some(initrd=PATHS, arguments=st.text(PRINTABLE, max_size=20))),
        disks=st.lists(DISKS, max_size=5),
        nics=st.lists(NICS, max_size=3),
        serials=st.lists(some(id=IDS, log=PATHS), max_size=3),
        graphics=st.sampled_from([[], [{"protocol": "vnc"}]]),
        video=st.sampled_from(["none", "vga", "virtio"]),
        guestAgent=st.booleans(),
        memoryBalloon=st.booleans(),
        metadata=st.dictionaries(ANY, ANY, max_size=3),
        autostart=st.booleans(),
    ),
)


def definition(config: VmConfig, name: str = "guest") -> Definition:
    return Definition(id=VM, name=name, config=config, generation=7, operation_id="op-1", digest="0f0f")


@given(CONFIGS, st.text(PRINTABLE.filter(lambda character: character != "/"), min_size=1, max_size=20))
def test_a_normal_configuration_is_read_as_it_was_written(members: dict[str, Any], name: str) -> None:
    try:
        config = plan.normalise(msgspec.convert(members, VmConfig), VM)
    except InvalidParams:
        return  # it contradicts itself
    xml = libvirt_writer.to_xml(definition(config, name), virt_type="qemu")
    parsed = libvirt_reader.from_xml(xml, autostart=config.autostart)
    assert plan.as_kept(parsed.config) == plan.as_kept(config)
    assert (parsed.config.machine, parsed.config.autostart) == (config.machine, config.autostart)
    assert (parsed.id, parsed.title, parsed.virt_type, parsed.is_ours) == (VM, name, "qemu", True)
    assert (parsed.generation, parsed.operation_id, parsed.digest) == (7, "op-1", "0f0f")
    assert parsed.libvirt_name == f"vdsm-{VM}"


def test_the_metadata_hold_no_documents() -> None:
    config = plan.normalise(msgspec.convert({"memory": 64 << 20, "metadata": {"owner": "me"}, "disks": [EMPTY]}, VmConfig), VM)
    root = libvirt_xml.parse(libvirt_writer.to_xml(definition(config), virt_type="qemu"))
    (ours,) = root.findall("metadata/")
    assert ours.attrib == {"generation": "7", "operationId": "op-1", "digest": "0f0f"}
    assert list(ours) == []
    assert "owner" not in ET.tostring(root, encoding="unicode")


def of_before(config: VmConfig, *, words: str = "") -> str:
    """A definition as it was written when the metadata also held what libvirt does not echo."""
    disks = " ".join(disk.id or "" for disk in config.disks)
    hints = f'machine="{config.machine}" cpu="{config.cpu.mode.value}" disks="{disks}"'
    xml = libvirt_writer.to_xml(definition(config), virt_type="kvm")
    return xml.replace('generation="7"', f'generation="7" {hints}').replace('digest="0f0f" />', f'digest="0f0f">{words}</vdsm:vm>')


def test_disks_of_before_come_back_in_their_order_although_libvirt_groups_them_by_bus() -> None:
    buses = ("virtio", "scsi", "virtio")
    disks = [{"source": {"kind": "file", "path": f"/{place}", "format": "raw"}, "bus": bus} for place, bus in enumerate(buses)]
    config = plan.normalise(msgspec.convert({"memory": 64 << 20, "disks": disks}, VmConfig), VM)
    root = libvirt_xml.parse(of_before(config))
    devices = root.find("devices")
    assert devices is not None
    scsi = devices.findall("disk")[1]
    devices.remove(scsi)
    devices.append(scsi)
    assert libvirt_reader.from_xml(ET.tostring(root, encoding="unicode")).config == config


def test_what_libvirt_expands_is_read_as_it_was_asked_for_where_the_metadata_of_before_tell() -> None:
    config = plan.normalise(msgspec.convert({"memory": 64 << 20, "cpu": {"mode": "hostModel"}, "metadata": {"a": "b"}}, VmConfig), VM)
    xml = of_before(config, words='<vdsm:words>{"a": "b"}</vdsm:words>').replace('machine="q35">hvm', 'machine="pc-q35-7.2">hvm')
    xml = xml.replace('<cpu mode="host-model" />', EXPANDED)
    parsed = libvirt_reader.from_xml(xml).config
    assert (parsed.machine, parsed.cpu.mode, parsed.metadata) == ("q35", CpuMode.HOST_MODEL, {"a": "b"})
    other = libvirt_reader.from_xml(xml.replace("pc-q35-7.2", "pc-i440fx-7.2")).config
    assert other.machine == "pc-i440fx-7.2", "a hint that does not fit is not believed"


def test_a_running_processor_that_libvirt_has_expanded_is_like_its_definition() -> None:
    config = plan.normalise(msgspec.convert({"memory": 64 << 20, "cpu": {"mode": "hostModel"}}, VmConfig), VM)
    xml = libvirt_writer.to_xml(definition(config), virt_type="kvm")
    live = xml.replace('<cpu mode="host-model" />', EXPANDED)
    assert libvirt_reader.from_xml(live, like=config).config == config
    named = live.replace("<vendor>Intel</vendor>", "")
    assert libvirt_reader.from_xml(named, like=config).config.cpu.mode is CpuMode.CUSTOM, "such a one was named by us before"


@pytest.mark.parametrize("text", ("\x01", "\ufffe", "\ud800"))
def test_a_character_that_xml_cannot_hold_is_refused(text: str) -> None:
    config = plan.normalise(VmConfig(memory=64 << 20), VM)
    with pytest.raises(Unsupported):
        libvirt_writer.to_xml(definition(config, f"a{text}"), virt_type="qemu")


@pytest.mark.parametrize(
    "xml",
    (
        '<!DOCTYPE domain [<!ENTITY a "b">]><domain><uuid>u</uuid><name>&a;</name></domain>',
        "<domain>",
        "<network><uuid>u</uuid><name>n</name></network>",
        "<domain><uuid>u</uuid><name>n</name></domain>",
        "<domain><uuid>u</uuid><name>n</name><memory>x</memory></domain>",
    ),
)
def test_what_is_no_definition_is_not_read(xml: str) -> None:
    with pytest.raises(libvirt_xml.XmlError):
        libvirt_reader.from_xml(xml)


def test_a_foreign_definition_is_read_as_far_as_it_can_be_told() -> None:
    xml = """<domain type='kvm'><uuid>u</uuid><name>old</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices><disk type='network' device='disk'><target dev='vda' bus='virtio'/></disk><disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
    <interface type='direct'><mac address='52:54:00:00:00:01'/></interface><graphics type='spice'/><video><model type='qxl'/></video></devices></domain>"""
    parsed = libvirt_reader.from_xml(xml)
    assert not parsed.is_ours
    assert parsed.config.memory == 64 << 20
    assert [disk.id for disk in parsed.config.disks] == ["ua-disk0"]
    assert parsed.config.nics == []
    assert parsed.config.graphics == []
