"""What a shell offers after Tab. It must be quick and silent: no daemon is started, no network library is loaded, and an
error offers nothing instead of text in the middle of a command line.
"""

from __future__ import annotations

from collections.abc import Iterator


def complete_settings(incomplete: str) -> list[tuple[str, str]]:
    """Names of settings with their meaning."""
    return [(name, about) for name, about in _settings() if name.startswith(incomplete)]


def complete_checks(incomplete: str) -> list[str]:
    """Names of checks of `selva doctor`."""
    from selva_cli.doctor.table import CHECKS  # noqa: PLC0415

    return [check.name for check in CHECKS if check.name.startswith(incomplete)]


def _settings() -> Iterator[tuple[str, str]]:
    from selva_core.base.settings import rows  # noqa: PLC0415

    for name, setting in rows().items():
        yield name, setting.row.about
