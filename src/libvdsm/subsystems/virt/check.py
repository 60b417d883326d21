"""What speaks against a verb now, all of it at once, without doing anything (``Plan.check``).

Facts are gathered first (what was last seen, what the hypervisor can do, what is wrong with files), then judged; judging is pure.
An error here is the one that the verb itself would raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Raw, Struct

from libvdsm.base.errors import ApiError
from libvdsm.interfaces.generated.errors import (
    AlreadyExists,
    GenerationConflict,
    GuestUnresponsive,
    HypervisorError,
    HypervisorUnavailable,
    InvalidParams,
    ObjectNotFound,
    ResourceBusy,
    Unsupported,
)
from libvdsm.interfaces.generated.types import (
    Acceleration,
    ConsoleKind,
    ConsoleOpenParams,
    CpuMode,
    HostCapabilities,
    VmConfig,
    VmCreateParams,
    VmDeleteParams,
    VmScreenshotParams,
    VmStartParams,
    VmStopParams,
    VmUpdateParams,
)
from libvdsm.interfaces.messages import Checked
from libvdsm.interfaces.work import WorkContext
from libvdsm.ipc import failures
from libvdsm.subsystems.virt import console, desire, plan
from libvdsm.subsystems.virt.contradictions import contradictions
from libvdsm.subsystems.virt.driver import Domain
from libvdsm.subsystems.virt.hypervisor import Hypervisor
from libvdsm.subsystems.virt.inventory import Inventory
from libvdsm.subsystems.virt.paths import HANGS

#: The verbs that look at a running guest, and the capability that the schema says each ``requires``; of a screen it is another.
FEATURES: Final[Mapping[str, str]] = {"VM.screenshot": "vm.screenshot", "Console.open": "console.serial"}
_SCREEN: Final = "console.graphics"


class Facts(Struct, frozen=True, kw_only=True):
    """What is known when a verb is judged."""

    vm_id: str | None = None
    domain: Domain | None = None
    away: str | None = None  # why the hypervisor cannot be asked
    is_hung: bool = False  # a call for this virtual machine has not come back
    capabilities: HostCapabilities | None = None
    files: Mapping[str, str] = {}  # what is wrong with those that a start needs, by path
    architecture: str = "x86_64"


class Judgement(Struct, frozen=True, kw_only=True):
    """What was found."""

    reasons: Sequence[ApiError]
    nothing_to_do: bool = False


def judge(context: WorkContext, params: Any, facts: Facts) -> Judgement:  # noqa: ANN401 - of any verb
    """All that speaks against the verb. Pure."""
    if facts.vm_id is not None and facts.domain is None and not isinstance(params, VmCreateParams):
        missing = [] if facts.away is not None else [ObjectNotFound(type="vm", id=facts.vm_id)]
        return Judgement(reasons=[*_of_the_host(facts), *missing])
    special = _SPECIAL.get(type(params))
    reasons = [*_of_the_host(facts), *_of_the_object(context, params, facts), *(special(context, params, facts) if special else ())]
    is_done = facts.away is None and facts.domain is not None and plan.is_done(context.method, facts.domain.state)
    if isinstance(params, VmUpdateParams) and not reasons and facts.domain is not None:
        is_done = not desire.updated(context, params, desire.recorded(context, facts.domain), facts.architecture).changes
    return Judgement(reasons=reasons, nothing_to_do=is_done and not reasons)


def _of_the_host(facts: Facts) -> Iterator[ApiError]:
    if facts.away is not None:
        yield HypervisorUnavailable(reason=facts.away)


def _of_the_object(context: WorkContext, params: object, facts: Facts) -> Iterator[ApiError]:
    """Generation, state and health."""
    domain = facts.domain
    if domain is None or isinstance(params, VmCreateParams):
        return
    generation = max(domain.generation, context.generation)
    expected = context.expected_generation
    if expected is not None and expected != generation:
        yield GenerationConflict(type="vm", id=domain.id, expected=expected, actual=generation)
    is_forced = isinstance(params, VmDeleteParams) and params.force and plan.is_active(domain.state)
    if facts.away is None and not is_forced:  # nobody knows the state otherwise
        failure = plan.wrong_state(context.method, domain.id, domain.state)
        if failure is not None:
            yield failure
    if facts.is_hung and not isinstance(params, VmStopParams):
        yield GuestUnresponsive(id=domain.id, reason="an earlier call has not come back yet")


def _of_create(_context: WorkContext, params: VmCreateParams, facts: Facts) -> Iterator[ApiError]:
    if facts.domain is not None:
        yield AlreadyExists(type="vm", id=facts.domain.id)
    yield from contradictions(params.config)


def _of_update(context: WorkContext, params: VmUpdateParams, facts: Facts) -> Iterator[ApiError]:
    domain = facts.domain
    if domain is None:
        return
    if domain.is_foreign:
        yield Unsupported(feature="changing this definition", reason="it was made by other means and may hold more than can be told here")
    if params.config is None:
        return
    before = desire.recorded(context, domain).config
    try:
        after = plan.apply_patch(before, params.config)
    except InvalidParams as error:
        yield error
        return
    found = list(contradictions(after))
    yield from found
    if not found:
        after = plan.normalise(after, domain.id, architecture=facts.architecture)
    yield from plan.impossible(plan.diff(before, after))


def _of_start(_context: WorkContext, _params: VmStartParams, facts: Facts) -> Iterator[ApiError]:
    if facts.domain is None:
        return
    if facts.capabilities is not None:
        yield from _beyond(facts.domain.config, facts.capabilities)
    for path, reason in sorted(facts.files.items()):
        if reason == HANGS:
            yield ResourceBusy(type="file", id=path, reason=reason)
        else:
            yield HypervisorError(call="start", number=0, reason=f"{path}: {reason}")


def _beyond(config: VmConfig, can: HostCapabilities) -> Iterator[Unsupported]:
    """What of a definition this host cannot run."""
    if can.firmwares and config.firmware.kind not in can.firmwares:
        yield Unsupported(feature=f"the firmware {config.firmware.kind.value}", reason="the hypervisor finds none")
    if config.vcpus > can.maximum_vcpus:
        yield Unsupported(feature=f"{config.vcpus} vcpus", reason=f"{can.maximum_vcpus} are the most")
    if config.architecture is not None and can.architectures and config.architecture not in can.architectures:
        yield Unsupported(feature=f"the architecture {config.architecture}", reason="no emulator for it is there")
    if config.cpu.mode is CpuMode.HOST_PASSTHROUGH and can.acceleration is not Acceleration.KVM:
        yield Unsupported(feature="the cpu mode hostPassthrough", reason=can.acceleration_reason or "it needs KVM")


def _of_screenshot(_context: WorkContext, _params: VmScreenshotParams, facts: Facts) -> Iterator[ApiError]:
    yield from _lacking(FEATURES["VM.screenshot"], facts.capabilities)


def _of_console(_context: WorkContext, params: ConsoleOpenParams, facts: Facts) -> Iterator[ApiError]:
    is_screen = params.kind is ConsoleKind.GRAPHICS
    yield from _lacking(_SCREEN if is_screen else FEATURES["Console.open"], facts.capabilities)
    if facts.domain is None:
        return
    config = facts.domain.live_config or facts.domain.config
    try:
        if is_screen:
            console.require_screen(config)
        else:
            console.serial_id(config, params.device_id)
    except ApiError as error:
        yield error


def _lacking(name: str, can: HostCapabilities | None) -> Iterator[Unsupported]:
    for feature in () if can is None else can.features:
        if feature.name == name and not feature.available:
            yield Unsupported(feature=name, reason=feature.reason or "this host does not have it")


#: What only one verb looks at.
_SPECIAL: Final[Mapping[type, Callable[[WorkContext, Any, Facts], Iterator[ApiError]]]] = {
    ConsoleOpenParams: _of_console,
    VmCreateParams: _of_create,
    VmScreenshotParams: _of_screenshot,
    VmStartParams: _of_start,
    VmUpdateParams: _of_update,
}
_NEED_CAPABILITIES: Final = (ConsoleOpenParams, VmScreenshotParams, VmStartParams)


class Checks:
    """Gathers the facts."""

    def __init__(self, hypervisor: Hypervisor, inventory: Inventory) -> None:
        self._hypervisor = hypervisor
        self._inventory = inventory

    async def check(self, context: WorkContext, params: Any) -> Checked:  # noqa: ANN401 - of any verb
        """See ``Service``."""
        found = judge(context, params, await self._facts(context, params))
        reasons = [Raw(failures.to_bytes(error, context.method)) for error in found.reasons]
        return Checked(reasons=reasons, nothingToDo=found.nothing_to_do)

    async def _facts(self, context: WorkContext, params: Any) -> Facts:  # noqa: ANN401 - of any verb
        vm_id: str | None = getattr(params, "vm_id", None)
        domain = self._inventory.get(vm_id) if vm_id is not None else None
        is_ready = self._hypervisor.is_ready
        needs_files = isinstance(params, VmStartParams) and domain is not None and not plan.is_active(domain.state)
        return Facts(
            vm_id=vm_id,
            domain=domain,
            away=self._hypervisor.unavailable,
            is_hung=vm_id is not None and self._hypervisor.is_hung(vm_id),
            capabilities=await self._capabilities(context) if is_ready and isinstance(params, _NEED_CAPABILITIES) else None,
            files=await self._files(context, domain.config) if needs_files and domain is not None else {},
            architecture=self._hypervisor.architecture,
        )

    async def _capabilities(self, context: WorkContext) -> HostCapabilities | None:
        """None when they cannot be had now: a check is not refused for that."""
        try:
            return await self._hypervisor.capabilities(context.deadline)
        except ApiError:
            return None

    async def _files(self, context: WorkContext, config: VmConfig) -> Mapping[str, str]:
        paths = sorted(set(_paths(config)))
        found = await asyncio.gather(*(self._hypervisor.unusable_file(path, context.deadline) for path in paths))
        return {path: reason for path, reason in zip(paths, found, strict=True) if reason is not None}


def _paths(config: VmConfig) -> Iterator[str]:
    """The files that a start opens."""
    if config.kernel is not None:
        yield config.kernel.path
        if config.kernel.initrd is not None:
            yield config.kernel.initrd
    for disk in config.disks:
        if disk.source is not None:
            yield disk.source.path
