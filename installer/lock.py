"""Write constraints.txt from the virtual environment: the exact versions the project was tested with.

    .venv/bin/python installer/lock.py > constraints.txt

Packages that need a newer Python than the project's oldest carry a marker, so that older Pythons take the newest that fits them.
"""

from __future__ import annotations

import re
from importlib import metadata

OLDEST_PYTHON_MINOR = 10
LEFT_OUT = {"pip", "setuptools", "wheel", "selva-bridge", "hatchling"}


def constraint_line(name: str, version: str, requires_python: str) -> str:
    """`name==version`, with a marker when the package refuses the project's oldest Python."""
    version = version.split("+", 1)[0]
    oldest = re.search(r">=?\s*3\.(\d+)", requires_python)
    if oldest and int(oldest[1]) > OLDEST_PYTHON_MINOR:
        return f'{name}=={version} ; python_version >= "3.{oldest[1]}"'
    return f"{name}=={version}"


def main() -> None:
    """Print one line for every installed package."""
    lines = {
        distribution.metadata["Name"].lower(): constraint_line(
            distribution.metadata["Name"],
            distribution.version,
            distribution.metadata.get("Requires-Python", "") or "",
        )
        for distribution in metadata.distributions()
    }
    print("# Exact versions the project is tested with; made by installer/lock.py.")
    for name in sorted(lines.keys() - LEFT_OUT):
        print(lines[name])


if __name__ == "__main__":
    main()
