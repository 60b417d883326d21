"""What must be true after any crash, whatever it was that crashed (the rule of faults.md, section 2).

``Before`` is what was known before the crash. ``judge`` compares it with what is known afterwards, with what the
caller was told, and with what has really happened, which the simulator's world remembers.
"""

from __future__ import annotations

import collections
import copy
import time
from dataclasses import dataclass
from typing import Any, Final

from libvdsm.interfaces.generated.methods import METHODS
from tests.crash.caller import Caller, Command, End, Json, Story
from tests.crash.scenarios import Scenario, Stage
from tests.crash.tree import until

FINAL_STATES: Final = frozenset({"done", "failed", "cancelled", "unknown"})
#: Members of a record that change without anything having happened.
_RESTLESS: Final = frozenset({"revision", "uptime", "startedAt"})
_QUIET_S: Final = 0.2


@dataclass(frozen=True)
class Before:
    """What was known before the crash."""

    resume: str
    machines: dict[str, Json]
    tasks: dict[str, Json]
    world: dict[str, Json]
    audited: frozenset[str]  # operations that the audit knows


def look(stage: Stage) -> Before:
    """What is known now; taken again if anything changes meanwhile, so that all of it belongs to one moment."""
    while True:
        resume = stage.caller.ask("Event.read")["resume"]
        found = Before(resume, machines(stage.caller), tasks(stage.caller), stage.daemon.world(), frozenset(audited(stage.caller)))
        if stage.caller.ask("Event.read")["resume"] == resume:
            return found


def machines(caller: Caller) -> dict[str, Json]:
    """All machines, by id."""
    return {item["id"]: item for item in caller.pages("VM.list")}


def tasks(caller: Caller) -> dict[str, Json]:
    """All tasks, by id."""
    return {item["id"]: item for item in caller.pages("Task.list")}


def audited(caller: Caller) -> dict[str, Json]:
    """What the audit says of every operation; each may be there once only."""
    records = [record for record in caller.pages("Audit.list") if record.get("operationId")]
    found = {record["operationId"]: record for record in records}
    assert len(found) == len(records), f"an attempt was recorded twice: {records}"
    return found


def events_after(caller: Caller, resume: str) -> list[Json]:
    """All that was recorded since; nothing may be missing, nothing may come twice."""
    events: list[Json] = []
    token = resume
    while True:
        page = caller.ask("Event.read", {"after": token, "limit": 1000})
        assert "gap" not in page, f"events were lost: {page['gap']}"
        events += page["items"]
        token = page["resume"]
        if not page["items"]:
            break
    sequences = [event["sequence"] for event in events]
    first = int(resume.rpartition("-")[2]) + 1
    assert sequences == list(range(first, first + len(sequences))), f"sequences have holes or repeat: {sequences} after {resume}"
    assert {event["epoch"] for event in events} <= {resume.rpartition("-")[0]}
    return events


def settled(caller: Caller, resume: str) -> tuple[list[Json], dict[str, Json], dict[str, Json]]:
    """The events since ``resume``, the machines and the tasks, all of one moment: taken again if anything changes meanwhile."""
    while True:
        events, vms, found = events_after(caller, resume), machines(caller), tasks(caller)
        last = events[-1]["sequence"] if events else int(resume.rpartition("-")[2])
        if int(caller.ask("Event.read")["resume"].rpartition("-")[2]) == last:
            return events, vms, found


def follow(before: dict[str, Json], events: list[Json], type: str) -> dict[str, Json]:
    """What somebody knows who knew ``before`` and was told of ``events``."""
    known = copy.deepcopy(before)
    for event in events:
        if event["object"]["type"] != type:
            continue
        id = event["object"]["id"]
        if event["change"] == "removed":
            assert known.pop(id, None) is not None, f"{type} {id} was removed twice"
            continue
        if event["change"] == "added":
            assert id not in known, f"{type} {id} was added although it was there: {event}"
            known[id] = {}
        assert id in known, f"a change of {type} {id}, of which nobody knew"
        merged = _merged(known[id], event["patch"])
        assert event["change"] == "added" or merged != known[id], f"nothing changed: {event}"
        known[id] = merged
    return known


def _merged(document: Json, patch: Any) -> Json:
    """RFC 7396."""
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            old = result.get(name)
            result[name] = _merged(old if isinstance(old, dict) else {}, value)
        else:
            result[name] = value
    return result


def rest(document: Json) -> Json:
    """A record without what changes by itself."""
    return {name: value for name, value in document.items() if name not in _RESTLESS}


def await_quiet(caller: Caller) -> None:
    """Until virt is ready and nothing has changed for a while."""
    until(lambda: _conditions(caller).get("virt") == _conditions(caller).get("host") == "ready", "the subsystems are ready")
    resume, since = caller.ask("Event.read")["resume"], time.monotonic()
    while time.monotonic() - since < _QUIET_S:
        time.sleep(0.03)
        now = caller.ask("Event.read")["resume"]
        if now != resume:
            resume, since = now, time.monotonic()


def _conditions(caller: Caller) -> dict[str, str]:
    return {part["name"]: part["state"] for part in caller.ask("Host.getInfo")["subsystems"]}


# --- verdicts ---


def judge(stage: Stage, scenario: Scenario, before: Before, story: Story) -> None:
    """Everything that must hold of one command after a crash."""
    judge_end(scenario, story)
    until(lambda: not any("leaves" in machine for machine in stage.daemon.world().values()), "guests have done what they were asked for")
    if scenario.overtaken:
        until(lambda: scenario.effects is None or scenario.effects(stage), "what was asked for, or the crash, has its effect")
    effects = None if scenario.effects is None else scenario.effects(stage)
    judge_effects(story, effects, overtaken=bool(scenario.overtaken))
    judge_again(stage, scenario, story)
    await_quiet(stage.caller)
    if scenario.effects is not None:
        assert scenario.effects(stage) == effects, "asking again has done it again"
    judge_events(stage, before)
    judge_tasks(stage, before, story)
    judge_others(stage, scenario, before)
    judge_audit(stage, scenario, before, story)


def judge_end(scenario: Scenario, story: Story) -> None:
    """Done, or unknown where nobody can look; what was interrupted was sent again until it was one of them."""
    entry = METHODS[story.command.method]
    allowed = {"done"}
    if entry.probe == "none" and entry.subsystem != "front":
        allowed.add("OutcomeUnknown")
    if entry.uncacheable:
        allowed.add("AnswerNotKept")  # it was done, and the ticket in its answer is nowhere
    allowed |= scenario.overtaken
    assert story.final.outcome in allowed, f"{story.final} is no end for a verb with the probe {entry.probe}: {story.ends}"


def judge_effects(story: Story, effects: int | None, *, overtaken: bool) -> None:
    """Never twice; once if that was said; not at all only if nobody knows."""
    if effects is None:
        return
    assert effects in {0, 1}, f"it had its effect {effects} times; told: {story.ends}"
    if story.final.outcome in {"done", "AnswerNotKept"} or overtaken:
        assert effects == 1, f"told {story.final.outcome}, but there is no effect"


def judge_interim(stage: Stage, scenario: Scenario, end: End) -> None:
    """Whoever is told that he may send it again is told so because nothing has happened."""
    if scenario.effects is not None and not scenario.overtaken and end.outcome == "Interrupted":
        assert scenario.effects(stage) == 0, f"told {end}, but it had its effect"


def judge_again(stage: Stage, scenario: Scenario, story: Story) -> None:
    """The same key and parameters give the same end for ever; other parameters with that key are a conflict."""
    command, entry = story.command, METHODS[story.command.method]
    again = stage.caller.finish(command).final
    if entry.uncacheable and story.final.outcome == "done":
        assert again.outcome == "AnswerNotKept", again
    else:
        assert (again.outcome, again.result) == (story.final.outcome, story.final.result), f"first {story.final}, then {again}"
        assert _task_id(again) == _task_id(story.final), "another task did it again"
    judge_conflict(stage, scenario, command)


def judge_conflict(stage: Stage, scenario: Scenario, command: Command) -> None:
    """Other parameters with the same key are refused; that there is no such object is told first, as to anybody."""
    other = {**command.params, **scenario.other(stage)}
    refused = stage.caller.refused(command.method, other, command.options())
    allowed = {"IdempotencyConflict"} | ({"ObjectNotFound"} if METHODS[command.method].object_type not in {None, "vm"} else set())
    assert refused in allowed, refused


def _task_id(end: End) -> str | None:
    return None if end.task is None else str(end.task["id"])


def judge_events(stage: Stage, before: Before) -> None:
    """Who follows the events from before the crash knows what is: every change was told, and told once."""
    events, vms, ended = settled(stage.caller, before.resume)
    for type, known, now in (("vm", before.machines, vms), ("task", before.tasks, ended)):
        followed = follow(known, events, type)
        for id in {*followed, *now}:
            told, shown = rest(followed.get(id, {})), rest(now.get(id, {}))
            wrong = {name: (told.get(name), shown.get(name)) for name in {*told, *shown} if told.get(name) != shown.get(name)}
            assert not wrong, f"{type} {id}: the events tell something else than is shown: {wrong}"
    ends = collections.Counter(
        event["object"]["id"]
        for event in events
        if event["object"]["type"] == "task" and event.get("patch", {}).get("state") in FINAL_STATES
    )
    assert set(ends.values()) <= {1}, f"tasks with several final states: {ends}"


def judge_tasks(stage: Stage, before: Before, story: Story) -> None:
    """Every operation is found again, and has ended once; each attempt is a task of its own."""
    found = [task for id, task in tasks(stage.caller).items() if id not in before.tasks and task["method"] == story.command.method]
    assert all("endedAt" in task and task["state"] in FINAL_STATES for task in found), found
    ends = collections.Counter(task["state"] for task in found)
    if story.command.is_operation:
        assert ends["done"] == (story.final.outcome == "done"), f"{ends} for {story.ends}"
        assert ends["unknown"] == (story.final.outcome == "OutcomeUnknown"), f"{ends} for {story.ends}"
        assert {task["error"]["data"]["error"] for task in found if task["state"] == "failed"} <= {"Interrupted", "SubsystemUnavailable"}
    else:
        assert not found, f"a command has no task: {found}"


def judge_others(stage: Stage, scenario: Scenario, before: Before) -> None:
    """What was not meant was not touched."""
    targets = scenario.targets(stage)
    changed = {id for id, machine in stage.daemon.world().items() if machine != before.world.get(id)}
    assert changed <= targets, f"machines that nobody has named have changed: {changed - targets}"
    now = machines(stage.caller)
    others = set(before.machines) - targets
    assert {id: rest(before.machines[id]) for id in others} == {id: rest(now.get(id, {})) for id in others}


def judge_audit(stage: Stage, scenario: Scenario, before: Before, story: Story) -> None:
    """Every attempt is there once, and ended as was told."""
    new = [record for id, record in audited(stage.caller).items() if id not in before.audited and record["method"] == story.command.method]
    outcomes = collections.Counter(record["outcome"] for record in new)
    assert outcomes["done"] == (story.final.outcome in {"done", "AnswerNotKept"}), f"{new} for {story.ends}"
    assert outcomes["unknown"] == (story.final.outcome == "OutcomeUnknown"), f"{new} for {story.ends}"
    failed = {record["error"] for record in new if record["outcome"] == "failed"}
    assert failed <= {"Interrupted", "SubsystemUnavailable"} | scenario.overtaken, f"{new} for {story.ends}"
    assert stage.caller.ask("Audit.verify")["sound"] is True
