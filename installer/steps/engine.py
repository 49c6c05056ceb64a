"""Runs the steps, undoes them, or says what they would do."""

from __future__ import annotations

from foundation.choices import HOSTS
from steps.autostart_step import AutostartStep
from steps.daemon import DaemonStep
from steps.data import DataStep
from steps.hosts import HostStep
from steps.packages import PackagesStep
from steps.prefix import PrefixStep, remove_prefix
from steps.private_python import PythonStep, UvStep
from steps.settings import SettingsStep
from steps.setup import Setup
from steps.step import Step
from steps.switch import CleanUpStep, CommandStep, SwitchStep


def all_steps() -> list[Step]:
    """In the order in which they are done; undone in the reverse."""
    return [
        PrefixStep(),
        UvStep(),
        PythonStep(),
        PackagesStep(),
        DataStep(),
        SwitchStep(),
        CommandStep(),
        SettingsStep(),
        *(HostStep(host) for host in HOSTS),
        AutostartStep(),
        DaemonStep(),
        CleanUpStep(),
    ]


def install(setup: Setup, steps: list[Step]) -> dict[str, str]:
    """Do what is not done; returns step -> `done` or `kept`. Raises SetupError, OSError; what is done stays done."""
    results = {}
    setup.record.choices = setup.choices.record()
    setup.record.save()
    for number, step in enumerate(steps, 1):
        if step.is_done(setup):
            results[step.name] = "kept"
            setup.runner.log.write(f"[{number}/{len(steps)}] {step.title}: nothing to do")
            continue
        setup.say(f"[{number}/{len(steps)}] {step.title}")
        setup.runner.log.write(f"[{number}/{len(steps)}] {step.title}")
        setup.record.begin(step.name)
        step.apply(setup)
        setup.record.finish(step.name)
        results[step.name] = "done"
    return results


def uninstall(setup: Setup, steps: list[Step]) -> list[str]:
    """Undo what was begun, the last first; returns what others put into the folder, which stays. Raises SetupError, OSError."""
    for step in reversed(steps):
        if not setup.record.is_begun(step.name):
            continue
        setup.say(f"removing: {step.title}")
        setup.runner.log.write(f"removing: {step.title}")
        step.undo(setup)
        if step.name not in ("python", "prefix"):
            setup.record.forget(step.name)
    return remove_prefix(setup)


def plan_install(setup: Setup, steps: list[Step]) -> list[str]:
    """What `install` would touch."""
    lines = []
    for step in steps:
        planned = [] if step.is_done(setup) else step.plan(setup)
        if planned:
            lines += [f"{step.title}:", *(f"  {line}" for line in planned)]
    return lines


def plan_uninstall(setup: Setup, steps: list[Step]) -> list[str]:
    """What `uninstall` would touch."""
    lines = []
    for step in reversed(steps):
        planned = step.plan_undo(setup) if setup.record.is_begun(step.name) else []
        if planned:
            lines += [f"{step.title}:", *(f"  {line}" for line in planned)]
    return [*lines, f"remove {setup.prefix}"]
