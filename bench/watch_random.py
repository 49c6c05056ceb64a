"""Files come, grow, change, move and go in a watch folder at random while daemons are killed and the share goes away.

    python bench/watch_random.py [--seconds 600] [--changes events] [--daemons 2] [--seed 1] [--clips FILE ...]

Starts daemons of its own, which watch one folder and write into one tree, in a temporary folder. At the end everything comes to
rest, and each input must have exactly one true outcome in every journal. Prints one JSON object; the exit status is 1 when one
has not. `--clips` puts copies of these media files among the inputs, for which only `done` is required.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
from daemon_bench import describe_machine, isolated_paths, stop_daemon
from watch_inputs import Inputs, encode_clip, iter_faults

from selva_core.base.paths import AppPaths, ensure_private_folder
from selva_core.base.settings.editing import change_watched_folders
from selva_core.base.settings.watched_folder import WatchedFolder
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.errors import DaemonStartError, DaemonUnavailableError
from selva_render.watch.journal import JOURNAL_NAME, open_journal
from selva_render.watch.journal_records import ELSEWHERE, RENDERING, WAITING
from selva_render.watch.result_places import ResultPlaces

REST_S = 240.0
CALM_S = 3.0
AWAY_SHARE = 0.01


class Machines:
    """Daemons that watch the same folder, each with state of its own."""

    def __init__(self, folder: Path, watched: WatchedFolder, count: int) -> None:
        self.paths = [isolated_paths(folder / f"machine{number}") for number in range(count)]
        for paths in self.paths:
            for each in (paths.state, paths.config):
                ensure_private_folder(each)
            change_watched_folders(paths.settings_file, lambda before: (watched,))
        self.kills: Counter[str] = Counter()

    def start(self) -> None:
        for paths in self.paths:
            self._start(paths)

    def stop(self) -> None:
        for paths in self.paths:
            stop_daemon(paths)

    def kill_one(self, rng: random.Random) -> None:
        """The server, its worker or the process that watches, as a crash would."""
        paths = rng.choice(self.paths)
        try:
            server = psutil.Process(read_connection(paths.connection_file).pid)
            family = [server, *server.children()]
        except (DaemonUnavailableError, psutil.Error):
            self._start(paths)
            return
        victim = rng.choice(family)
        try:
            kind = (
                "server"
                if victim == server
                else "watch"
                if "watch.service" in " ".join(victim.cmdline())
                else "worker"
            )
            victim.kill()
            victim.wait(10)
        except psutil.Error:
            return
        self.kills[kind] += 1
        if kind == "server":
            time.sleep(rng.random() * 2)
            self._start(paths)

    def _start(self, paths: AppPaths) -> None:
        for _ in range(5):
            try:
                start_daemon(paths)
            except DaemonStartError:
                time.sleep(1)
            else:
                return
        start_daemon(paths)

    def num_unsettled(self, root: Path) -> int:
        total = 0
        for paths in self.paths:
            journal = open_journal(paths.state / JOURNAL_NAME)
            try:
                counts = journal.counts(root)
            finally:
                journal.close()
            total += sum(counts[state] for state in (WAITING, RENDERING, ELSEWHERE))
        return total


def run(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Let it all happen, wait until it comes to rest, and compare."""
    rng = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    root, results = folder / "share", folder / "results"
    inputs = Inputs(root=root, rng=rng, clips=[encode_clip(flash) for flash in range(1, 9)])
    inputs.start()
    watched = WatchedFolder(
        path=root,
        results=results,
        settle_s=0.5,
        rescan_s=1.0,
        changes=options.changes,
        model="selva-echo",
        pages=options.pages,
    )
    machines = Machines(folder, watched, options.daemons)
    machines.start()
    real = {f"real{number}{Path(clip).suffix}": clip for number, clip in enumerate(options.clips)}
    for name, clip in real.items():
        shutil.copyfile(clip, root / name)
    times_away = disturb(inputs, machines, options)
    inputs.finish()
    rest_began_s = time.monotonic()
    is_at_rest = wait_for_rest(machines, root)
    rest_s = time.monotonic() - rest_began_s
    machines.stop()
    faults = [] if is_at_rest else [f"not at rest after {REST_S:g} s: {machines.num_unsettled(root)} items"]
    faults += find_faults(inputs, machines, results, list(real))
    return {
        **describe_machine(),
        **{name: getattr(options, name) for name in ("seed", "seconds", "changes", "daemons")},
        "steps": dict(inputs.num_steps),
        "kills": dict(machines.kills),
        "share_away": times_away,
        "inputs": len(inputs.files),
        "invalid_inputs": sum(content.flash is None for content in inputs.files.values()),
        "contents": len({content.digest for content in inputs.history}),
        "results": sum(1 for _ in results.rglob("report.json")),
        "seconds_to_rest": round(rest_s, 1),
        "faults": faults[:50],
        "num_faults": len(faults),
    }


def disturb(inputs: Inputs, machines: Machines, options: argparse.Namespace) -> int:
    """Change files, kill processes and take the share away for `options.seconds`; returns how often it was away."""
    rng, root, times_away = inputs.rng, inputs.root, 0
    until_s = time.monotonic() + options.seconds
    while time.monotonic() < until_s:
        chance = rng.random()
        if chance < options.kill_share:
            machines.kill_one(rng)
        elif chance < options.kill_share + AWAY_SHARE:
            away = root.with_name("away")
            root.rename(away)
            time.sleep(rng.random() * 4)
            away.rename(root)
            times_away += 1
        else:
            inputs.step()
        time.sleep(rng.random() * options.pause)
    return times_away


def find_faults(inputs: Inputs, machines: Machines, results: Path, real: Sequence[str]) -> list[str]:
    """See `iter_faults`; of real clips it is not known what is to be heard, so that they need only be done."""
    journals = [open_journal(paths.state / JOURNAL_NAME) for paths in machines.paths]
    try:
        found = iter_faults(inputs, journals, ResultPlaces(root=inputs.root, results=results))
        faults = [fault for fault in found if not any(name in fault for name in real)]
        for name in real:
            states = [getattr(journal.item(inputs.root, name), "state", None) for journal in journals]
            if states != ["done"] * len(journals):
                faults.append(f"{name}: {states}")
    finally:
        for journal in journals:
            journal.close()
    return faults


def wait_for_rest(machines: Machines, root: Path) -> bool:
    """Whether nothing waits for a while. It is given up when no further item has ended for REST_S: pages take long on a busy
    machine.
    """
    give_up_s = time.monotonic() + REST_S
    calm_since_s = None
    fewest: int | None = None
    while time.monotonic() < give_up_s:
        for paths in machines.paths:
            try:
                is_alive = read_connection(paths.connection_file).process_is_alive
            except DaemonUnavailableError:
                is_alive = False
            if not is_alive:
                start_daemon(paths)
        num_unsettled = machines.num_unsettled(root)
        if fewest is None or num_unsettled < fewest:
            fewest, give_up_s = num_unsettled, time.monotonic() + REST_S
        if num_unsettled:
            calm_since_s = None
        elif calm_since_s is None:
            calm_since_s = time.monotonic()
        elif time.monotonic() - calm_since_s > 4 * CALM_S:
            return True
        time.sleep(0.5)
    return False


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--changes", choices=("events", "polling"), default="events")
    parser.add_argument("--daemons", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pause", type=float, default=0.6, help="the longest pause between two steps, in seconds"
    )
    parser.add_argument("--kill-share", type=float, default=0.03)
    parser.add_argument("--pages", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder that stays, instead of a temporary one")
    parser.add_argument("--clips", nargs="*", default=[])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = run(options, folder.resolve())
    sys.stdout.write(json.dumps(outcome, indent=1) + "\n")
    return 1 if outcome["num_faults"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
