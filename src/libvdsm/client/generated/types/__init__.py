# Generated from the schema by vdsm-schema; do not edit.
"""The types of the API; each interface's module is loaded when a type of it is first named."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from libvdsm.client.generated.types.access import AccessCheck as AccessCheck
    from libvdsm.client.generated.types.access import AccessExplanation as AccessExplanation
    from libvdsm.client.generated.types.access import AccessScope as AccessScope
    from libvdsm.client.generated.types.access import ConsideredGrant as ConsideredGrant
    from libvdsm.client.generated.types.access import EverywhereScope as EverywhereScope
    from libvdsm.client.generated.types.access import Grant as Grant
    from libvdsm.client.generated.types.access import GrantFilter as GrantFilter
    from libvdsm.client.generated.types.access import GrantList as GrantList
    from libvdsm.client.generated.types.access import ObjectScope as ObjectScope
    from libvdsm.client.generated.types.access import ProjectScope as ProjectScope
    from libvdsm.client.generated.types.access import Role as Role
    from libvdsm.client.generated.types.access import RoleList as RoleList
    from libvdsm.client.generated.types.access import decode_access_scope as decode_access_scope
    from libvdsm.client.generated.types.audit import AuditChanges as AuditChanges
    from libvdsm.client.generated.types.audit import AuditFilter as AuditFilter
    from libvdsm.client.generated.types.audit import AuditList as AuditList
    from libvdsm.client.generated.types.audit import AuditOutcome as AuditOutcome
    from libvdsm.client.generated.types.audit import AuditRecord as AuditRecord
    from libvdsm.client.generated.types.audit import AuditVerdict as AuditVerdict
    from libvdsm.client.generated.types.audit import ObjectChange as ObjectChange
    from libvdsm.client.generated.types.certificate import Certificate as Certificate
    from libvdsm.client.generated.types.certificate import CertificateFilter as CertificateFilter
    from libvdsm.client.generated.types.certificate import CertificateIssued as CertificateIssued
    from libvdsm.client.generated.types.certificate import CertificateKind as CertificateKind
    from libvdsm.client.generated.types.certificate import CertificateList as CertificateList
    from libvdsm.client.generated.types.certificate import EnrolmentMade as EnrolmentMade
    from libvdsm.client.generated.types.connection import ConnectionFilter as ConnectionFilter
    from libvdsm.client.generated.types.connection import ConnectionInfo as ConnectionInfo
    from libvdsm.client.generated.types.connection import ConnectionList as ConnectionList
    from libvdsm.client.generated.types.console import ConsoleKind as ConsoleKind
    from libvdsm.client.generated.types.console import ConsoleProtocol as ConsoleProtocol
    from libvdsm.client.generated.types.console import ConsoleTicket as ConsoleTicket
    from libvdsm.client.generated.types.event import ChangeKind as ChangeKind
    from libvdsm.client.generated.types.event import Event as Event
    from libvdsm.client.generated.types.event import EventCause as EventCause
    from libvdsm.client.generated.types.event import EventCauseKind as EventCauseKind
    from libvdsm.client.generated.types.event import EventDelivery as EventDelivery
    from libvdsm.client.generated.types.event import EventFilter as EventFilter
    from libvdsm.client.generated.types.event import EventGap as EventGap
    from libvdsm.client.generated.types.event import EventGapReason as EventGapReason
    from libvdsm.client.generated.types.event import EventList as EventList
    from libvdsm.client.generated.types.event import EventObject as EventObject
    from libvdsm.client.generated.types.event import EventSubscription as EventSubscription
    from libvdsm.client.generated.types.host import Acceleration as Acceleration
    from libvdsm.client.generated.types.host import Diagnosis as Diagnosis
    from libvdsm.client.generated.types.host import Feature as Feature
    from libvdsm.client.generated.types.host import Finding as Finding
    from libvdsm.client.generated.types.host import FindingState as FindingState
    from libvdsm.client.generated.types.host import HostCapabilities as HostCapabilities
    from libvdsm.client.generated.types.host import HostCpuStats as HostCpuStats
    from libvdsm.client.generated.types.host import HostInfo as HostInfo
    from libvdsm.client.generated.types.host import HostMemoryStats as HostMemoryStats
    from libvdsm.client.generated.types.host import HostPingResult as HostPingResult
    from libvdsm.client.generated.types.host import HostStats as HostStats
    from libvdsm.client.generated.types.host import HostVmStats as HostVmStats
    from libvdsm.client.generated.types.host import NotRefreshed as NotRefreshed
    from libvdsm.client.generated.types.host import SubsystemInfo as SubsystemInfo
    from libvdsm.client.generated.types.host import SubsystemState as SubsystemState
    from libvdsm.client.generated.types.identity import IdentityInfo as IdentityInfo
    from libvdsm.client.generated.types.identity import IdentitySource as IdentitySource
    from libvdsm.client.generated.types.identity import ObjectRights as ObjectRights
    from libvdsm.client.generated.types.identity import ProjectRights as ProjectRights
    from libvdsm.client.generated.types.identity import Token as Token
    from libvdsm.client.generated.types.identity import TokenList as TokenList
    from libvdsm.client.generated.types.identity import TokenMade as TokenMade
    from libvdsm.client.generated.types.plan import PlanCheck as PlanCheck
    from libvdsm.client.generated.types.plan import PlanReason as PlanReason
    from libvdsm.client.generated.types.queue import Queue as Queue
    from libvdsm.client.generated.types.queue import QueueCount as QueueCount
    from libvdsm.client.generated.types.queue import QueueList as QueueList
    from libvdsm.client.generated.types.queue import QueueMessage as QueueMessage
    from libvdsm.client.generated.types.queue import QueueMessages as QueueMessages
    from libvdsm.client.generated.types.queue import QueueOverflow as QueueOverflow
    from libvdsm.client.generated.types.queue import QueueStats as QueueStats
    from libvdsm.client.generated.types.schema import CallOptions as CallOptions
    from libvdsm.client.generated.types.schema import OpenRpc as OpenRpc
    from libvdsm.client.generated.types.task import ObjectRef as ObjectRef
    from libvdsm.client.generated.types.task import Task as Task
    from libvdsm.client.generated.types.task import TaskAccepted as TaskAccepted
    from libvdsm.client.generated.types.task import TaskError as TaskError
    from libvdsm.client.generated.types.task import TaskFilter as TaskFilter
    from libvdsm.client.generated.types.task import TaskList as TaskList
    from libvdsm.client.generated.types.task import TaskProgress as TaskProgress
    from libvdsm.client.generated.types.task import TaskState as TaskState
    from libvdsm.client.generated.types.vm import VM as VM
    from libvdsm.client.generated.types.vm import BlockDiskSource as BlockDiskSource
    from libvdsm.client.generated.types.vm import BridgeNicSource as BridgeNicSource
    from libvdsm.client.generated.types.vm import Change as Change
    from libvdsm.client.generated.types.vm import ChangeEffect as ChangeEffect
    from libvdsm.client.generated.types.vm import CpuConfig as CpuConfig
    from libvdsm.client.generated.types.vm import CpuMode as CpuMode
    from libvdsm.client.generated.types.vm import Desired as Desired
    from libvdsm.client.generated.types.vm import DiskBus as DiskBus
    from libvdsm.client.generated.types.vm import DiskConfig as DiskConfig
    from libvdsm.client.generated.types.vm import DiskDevice as DiskDevice
    from libvdsm.client.generated.types.vm import DiskFormat as DiskFormat
    from libvdsm.client.generated.types.vm import DiskSource as DiskSource
    from libvdsm.client.generated.types.vm import FileDiskSource as FileDiskSource
    from libvdsm.client.generated.types.vm import Firmware as Firmware
    from libvdsm.client.generated.types.vm import FirmwareConfig as FirmwareConfig
    from libvdsm.client.generated.types.vm import GraphicsConfig as GraphicsConfig
    from libvdsm.client.generated.types.vm import GraphicsProtocol as GraphicsProtocol
    from libvdsm.client.generated.types.vm import KernelBoot as KernelBoot
    from libvdsm.client.generated.types.vm import NetworkNicSource as NetworkNicSource
    from libvdsm.client.generated.types.vm import NicConfig as NicConfig
    from libvdsm.client.generated.types.vm import NicModel as NicModel
    from libvdsm.client.generated.types.vm import NicSource as NicSource
    from libvdsm.client.generated.types.vm import Nothing as Nothing
    from libvdsm.client.generated.types.vm import SerialConfig as SerialConfig
    from libvdsm.client.generated.types.vm import ShutdownResultWay as ShutdownResultWay
    from libvdsm.client.generated.types.vm import ShutdownWay as ShutdownWay
    from libvdsm.client.generated.types.vm import UserNicSource as UserNicSource
    from libvdsm.client.generated.types.vm import VideoModel as VideoModel
    from libvdsm.client.generated.types.vm import VmConfig as VmConfig
    from libvdsm.client.generated.types.vm import VmConfigPatch as VmConfigPatch
    from libvdsm.client.generated.types.vm import VmCpuStats as VmCpuStats
    from libvdsm.client.generated.types.vm import VmCreateResult as VmCreateResult
    from libvdsm.client.generated.types.vm import VmDiskStats as VmDiskStats
    from libvdsm.client.generated.types.vm import VmFilter as VmFilter
    from libvdsm.client.generated.types.vm import VmList as VmList
    from libvdsm.client.generated.types.vm import VmMemoryStats as VmMemoryStats
    from libvdsm.client.generated.types.vm import VmNicStats as VmNicStats
    from libvdsm.client.generated.types.vm import VmScreenshot as VmScreenshot
    from libvdsm.client.generated.types.vm import VmShutdownResult as VmShutdownResult
    from libvdsm.client.generated.types.vm import VmState as VmState
    from libvdsm.client.generated.types.vm import VmStats as VmStats
    from libvdsm.client.generated.types.vm import VmStatsList as VmStatsList
    from libvdsm.client.generated.types.vm import VmUpdateResult as VmUpdateResult
    from libvdsm.client.generated.types.vm import VmView as VmView
    from libvdsm.client.generated.types.vm import decode_disk_source as decode_disk_source
    from libvdsm.client.generated.types.vm import decode_nic_source as decode_nic_source

_HOMES: Final = {
    "Acceleration": "host",
    "AccessCheck": "access",
    "AccessExplanation": "access",
    "AccessScope": "access",
    "AuditChanges": "audit",
    "AuditFilter": "audit",
    "AuditList": "audit",
    "AuditOutcome": "audit",
    "AuditRecord": "audit",
    "AuditVerdict": "audit",
    "BlockDiskSource": "vm",
    "BridgeNicSource": "vm",
    "CallOptions": "schema",
    "Certificate": "certificate",
    "CertificateFilter": "certificate",
    "CertificateIssued": "certificate",
    "CertificateKind": "certificate",
    "CertificateList": "certificate",
    "Change": "vm",
    "ChangeEffect": "vm",
    "ChangeKind": "event",
    "ConnectionFilter": "connection",
    "ConnectionInfo": "connection",
    "ConnectionList": "connection",
    "ConsideredGrant": "access",
    "ConsoleKind": "console",
    "ConsoleProtocol": "console",
    "ConsoleTicket": "console",
    "CpuConfig": "vm",
    "CpuMode": "vm",
    "Desired": "vm",
    "Diagnosis": "host",
    "DiskBus": "vm",
    "DiskConfig": "vm",
    "DiskDevice": "vm",
    "DiskFormat": "vm",
    "DiskSource": "vm",
    "EnrolmentMade": "certificate",
    "Event": "event",
    "EventCause": "event",
    "EventCauseKind": "event",
    "EventDelivery": "event",
    "EventFilter": "event",
    "EventGap": "event",
    "EventGapReason": "event",
    "EventList": "event",
    "EventObject": "event",
    "EventSubscription": "event",
    "EverywhereScope": "access",
    "Feature": "host",
    "FileDiskSource": "vm",
    "Finding": "host",
    "FindingState": "host",
    "Firmware": "vm",
    "FirmwareConfig": "vm",
    "Grant": "access",
    "GrantFilter": "access",
    "GrantList": "access",
    "GraphicsConfig": "vm",
    "GraphicsProtocol": "vm",
    "HostCapabilities": "host",
    "HostCpuStats": "host",
    "HostInfo": "host",
    "HostMemoryStats": "host",
    "HostPingResult": "host",
    "HostStats": "host",
    "HostVmStats": "host",
    "IdentityInfo": "identity",
    "IdentitySource": "identity",
    "KernelBoot": "vm",
    "NetworkNicSource": "vm",
    "NicConfig": "vm",
    "NicModel": "vm",
    "NicSource": "vm",
    "NotRefreshed": "host",
    "Nothing": "vm",
    "ObjectChange": "audit",
    "ObjectRef": "task",
    "ObjectRights": "identity",
    "ObjectScope": "access",
    "OpenRpc": "schema",
    "PlanCheck": "plan",
    "PlanReason": "plan",
    "ProjectRights": "identity",
    "ProjectScope": "access",
    "Queue": "queue",
    "QueueCount": "queue",
    "QueueList": "queue",
    "QueueMessage": "queue",
    "QueueMessages": "queue",
    "QueueOverflow": "queue",
    "QueueStats": "queue",
    "Role": "access",
    "RoleList": "access",
    "SerialConfig": "vm",
    "ShutdownResultWay": "vm",
    "ShutdownWay": "vm",
    "SubsystemInfo": "host",
    "SubsystemState": "host",
    "Task": "task",
    "TaskAccepted": "task",
    "TaskError": "task",
    "TaskFilter": "task",
    "TaskList": "task",
    "TaskProgress": "task",
    "TaskState": "task",
    "Token": "identity",
    "TokenList": "identity",
    "TokenMade": "identity",
    "UserNicSource": "vm",
    "VM": "vm",
    "VideoModel": "vm",
    "VmConfig": "vm",
    "VmConfigPatch": "vm",
    "VmCpuStats": "vm",
    "VmCreateResult": "vm",
    "VmDiskStats": "vm",
    "VmFilter": "vm",
    "VmList": "vm",
    "VmMemoryStats": "vm",
    "VmNicStats": "vm",
    "VmScreenshot": "vm",
    "VmShutdownResult": "vm",
    "VmState": "vm",
    "VmStats": "vm",
    "VmStatsList": "vm",
    "VmUpdateResult": "vm",
    "VmView": "vm",
    "decode_access_scope": "access",
    "decode_disk_source": "vm",
    "decode_nic_source": "vm",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
