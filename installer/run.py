"""Set everything up and run: `python3 installer/run.py demo` or `python3 installer/run.py test`.

Every command makes or reuses `.venv` beside this folder and can be repeated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if sys.version_info < (3, 8):  # noqa: UP036 - somebody will try
    sys.exit("Python 3.10 or later is needed; this is %d.%d." % sys.version_info[:2])  # noqa: UP031

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
        "--no-coverage", action="store_true", help="do not measure which lines the tests reach"
    )
    test_parser.add_argument("pytest_arguments", nargs="*", help="passed on to pytest, after --")
    commands.add_parser("check", help="set up, then check style, format and types, without tests")
    setup_parser = commands.add_parser("setup", help="set up only")
    setup_parser.add_argument("--develop", action="store_true", help="with what the checks and tests need")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, set up, run; returns the exit status."""
    options = build_parser().parse_args(argv)
    is_for_development = options.command in ("test", "check") or getattr(options, "develop", False)
    extras = environment.DEVELOPMENT_EXTRAS if is_for_development else environment.USER_EXTRAS
    try:
        python = environment.ensure_environment(ROOT, extras=extras, torch_index=options.torch_index)
        if options.command == "demo":
            return demo.run_demo(ROOT, python.parent / "selva", options.out.resolve())
        if options.command == "test":
            return suite.run_checks(
                ROOT, python, extra=options.pytest_arguments, has_coverage=not options.no_coverage
            )
        if options.command == "check":
            return suite.run_quick_checks(ROOT, python)
    except environment.SetupError as error:
        print(f"\nFAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Run the same command again to go on.", file=sys.stderr)
        return 130
    print(f"Ready: {python.parent / 'selva'} --help")
    return 0


if __name__ == "__main__":
    sys.exit(main())
