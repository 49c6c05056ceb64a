"""Set everything up, then run the demo or the checks.

Every command makes or reuses `.venv` beside this folder and can be repeated.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path

import demo
import environment
import suite

ROOT = Path(__file__).resolve().parent.parent


def build_parser() -> argparse.ArgumentParser:
    """The command line: one word for what to run after setting up."""
    parser = argparse.ArgumentParser(prog="installer/run.py", description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--torch-index",
        metavar="URL",
        help="a further package index for torch, such as one with CUDA or ROCm builds",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo_parser = commands.add_parser("demo", help="set up, then make stems for the example cut")
    demo_parser.add_argument(
        "-o", "--out", type=Path, default=ROOT / "demo", help="where results go (default: demo/)"
    )
    test_parser = commands.add_parser("test", help="set up, then run every check")
    test_parser.add_argument(
        "--coverage", action="store_true", help="also measure which lines the tests reach: a third slower"
    )
    test_parser.add_argument("pytest_arguments", nargs="*", help="passed on to pytest, after --")
    commands.add_parser("check", help="set up, then check style, format and types, without tests")
    setup_parser = commands.add_parser("setup", help="set up only")
    setup_parser.add_argument("--develop", action="store_true", help="with what the checks and tests need")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, set up, run; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A folder called 犬 on a console of another code page must not end the installation.
            stream.reconfigure(errors="backslashreplace")
    options = build_parser().parse_args(argv)
    try:
        return _run(options)
    except environment.SetupError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace) -> int:
    is_for_development = options.command in ("test", "check") or getattr(options, "develop", False)
    extras = environment.DEVELOPMENT_EXTRAS if is_for_development else environment.USER_EXTRAS
    python = environment.ensure_environment(ROOT, extras=extras, torch_index=options.torch_index)
    if options.command == "demo":
        return demo.run_demo(ROOT, python.parent / "selva", options.out.resolve())
    if options.command == "test":
        return suite.run_checks(ROOT, python, extra=options.pytest_arguments, has_coverage=options.coverage)
    if options.command == "check":
        return suite.run_quick_checks(ROOT, python)
    print(f"Ready: {environment.printed_command([python.parent / 'selva', '--help'])}")
    return 0
