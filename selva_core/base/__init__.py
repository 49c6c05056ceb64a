"""The ground floor: errors, exact numbers, limits, media values, safe files, locks, paths, child processes and environment.

Every room may import it; it imports no room. Standard library only, except that `paths` asks platformdirs and
`file_lock` stands on filelock, which is imported when the first lock is made. Import the modules by name
(`from selva_core.base.errors import RequestError`): the package itself loads none of them, so that a short-lived
process pays only for what it uses.
"""

__all__ = [
    "atomic_write",
    "child_process",
    "command_line",
    "environment",
    "errors",
    "evidence",
    "file_lock",
    "lazy_import",
    "limits",
    "media",
    "misspelling",
    "openmp",
    "pan",
    "paths",
    "rational",
    "regular_file",
    "render_options",
    "schema",
    "schema_check",
    "settings",
    "sqlite_migrations",
]
