"""Set everything up and run: `python3 installer/run.py demo` or `python3 installer/run.py test`.

Both make or reuse `.venv` beside this folder and can be run again at once.
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
    test_parser.add_argument("pytest_arguments", nargs="*", help="passed on to pytest, after --")
    commands.add_parser("setup", help="set up only")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse, set up, run; returns the exit status."""
    options = build_parser().parse_args(argv)
    extras = {"demo": ("plot",), "test": ("plot", "test", "train"), "setup": ("plot",)}[options.command]
    try:
        python = environment.ensure_environment(ROOT, extras=extras, torch_index=options.torch_index)
        if options.command == "demo":
            return demo.run_demo(ROOT, python, options.out.resolve())
        if options.command == "test":
            return suite.run_checks(ROOT, python, options.pytest_arguments)
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
