"""Write the API reference, `docs/api/`, from the docstrings of the public names.

    python installer/api_reference.py             # write the pages
    python installer/api_reference.py --check     # change nothing; status 1 when a page is out of date

Public is what a package's `__all__` names. Everything is read from the source text: nothing is imported, so the pages
are the same on every machine and no library is needed.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {
    "selva_core": ".",
    "selva_core.base": ".",
    "selva_otio": "otio_adapters",
    "selva_daemon": "daemon",
    "selva_render": "daemon",
    "selva_plugins": "plugins",
    "selva_panel": "plugins/panel",
}
"""Package: the folder of the tree that it lies in. `selva_cli` has no public names; its interface is the command line."""
PAGES = Path("docs", "api")
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.AnnAssign | ast.Assign


class MissingNameError(Exception):
    """A public name that cannot be found in the source."""


@dataclass(frozen=True)
class Module:
    """The syntax tree of one module."""

    name: str
    tree: ast.Module

    def definition(self, name: str) -> Definition | None:
        """What defines a name at the top of the module."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                return node
            targets = (
                node.targets
                if isinstance(node, ast.Assign)
                else [node.target]
                if isinstance(node, ast.AnnAssign)
                else []
            )
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                assert isinstance(node, ast.Assign | ast.AnnAssign)
                return node
        return None

    def text_below(self, node: Definition) -> str:
        """The docstring-like text that follows an assignment."""
        following = self.tree.body[self.tree.body.index(node) + 1 :][:1]
        if following and isinstance(following[0], ast.Expr) and isinstance(following[0].value, ast.Constant):
            return inspect.cleandoc(str(following[0].value.value))
        return ""

    def origin(self, name: str) -> tuple[str, str] | None:
        """Module and name that an import of this module, also one for type checkers only, gives a name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return node.module, alias.name
        return None


def _source(node: ast.AST) -> str:
    """The source text of a node, as every supported Python writes it: 3.10 puts a blank behind `lambda`."""
    return ast.unparse(node).replace("lambda :", "lambda:")


def load_module(root: Path, name: str) -> Module | None:
    """The module of that name among our packages, or None."""
    top = name.partition(".")[0]
    if top not in SOURCES:
        return None
    folder = SOURCES[top]
    path = root.joinpath(folder, *name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return Module(name, ast.parse(file.read_text(encoding="utf-8")))
    return None


def public_names(module: Module) -> list[str]:
    """The entries of `__all__`; empty without one."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                return [str(name) for name in ast.literal_eval(node.value)]
    return []


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, is_method: bool = False) -> str:
    """`name(arguments) -> result` as it stands in the source, without `self`."""
    arguments = _source(node.args)
    decorators = {_source(decorator) for decorator in node.decorator_list}
    if is_method and "staticmethod" not in decorators:
        arguments = arguments.partition(", ")[2]
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    result = f" -> {_source(node.returns)}" if node.returns else ""
    if "property" in decorators:
        return f"{node.name}: {result.removeprefix(' -> ')}"
    return f"{prefix}{node.name}({arguments}){result}"


def field_lines(node: ast.ClassDef) -> list[str]:
    """The annotated fields of a class, with their defaults: the arguments of a dataclass."""
    return [
        _source(child)
        for child in node.body
        if isinstance(child, ast.AnnAssign)
        and isinstance(child.target, ast.Name)
        and not child.target.id.startswith("_")
    ]


def method_nodes(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public methods and properties, and `__init__` where there is one."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {_source(decorator) for decorator in child.decorator_list}
            if (not child.name.startswith("_") or child.name == "__init__") and "overload" not in decorators:
                yield child


def write_class(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(_source(base) for base in node.bases)
    yield "```python"
    yield f"class {node.name}({bases})" if bases else f"class {node.name}"
    yield from (f"    {line}" for line in field_lines(node))
    yield "```"
    yield ""
    yield from _docstring(node)
    for method in method_nodes(node):
        text = ast.get_docstring(method) or ""
        first = " ".join(text.split("\n\n")[0].split())
        yield f"- `{signature(method, is_method=True)}`" + (f": {first}" if first else "")
    yield ""


def write_name(name: str, definition: Definition, module: Module) -> Iterator[str]:
    """The section of one public name."""
    yield f"### {name}"
    yield ""
    if isinstance(definition, ast.ClassDef):
        yield from write_class(definition)
        return
    if isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from ("```python", signature(definition), "```", "")
        yield from _docstring(definition)
        return
    yield from ("```python", _source(definition), "```", "")
    text = module.text_below(definition)
    if text:
        yield from (text, "")


def _docstring(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    text = ast.get_docstring(node)
    if text:
        yield from (text, "")


def find_definition(root: Path, package: Module, name: str) -> tuple[Definition, Module]:
    """Follow imports from a package to where a name is defined. Raises MissingNameError."""
    module: Module | None = package
    while module is not None:
        definition = module.definition(name)
        if definition is not None:
            return definition, module
        origin = module.origin(name)
        if origin is None:
            break
        name = origin[1]
        module = load_module(root, origin[0])
    raise MissingNameError(f"{package.name}.__all__ names {name}, which is not defined or imported there")


def write_page(root: Path, package_name: str) -> str:
    """The page of one package. Raises MissingNameError."""
    package = load_module(root, package_name)
    if package is None:
        raise MissingNameError(f"there is no package {package_name}")
    lines = [
        f"# {package_name}",
        "",
        "Written from the docstrings by `installer/api_reference.py`. Do not edit.",
        "",
    ]
    lines += [ast.get_docstring(package.tree) or "", ""]
    for name in public_names(package):
        if name == "__version__":
            continue
        submodule = load_module(root, f"{package_name}.{name}")
        if submodule is not None and package.origin(name) is None:
            lines += _write_submodule(submodule)
        else:
            definition, module = find_definition(root, package, name)
            lines += write_name(name, definition, module)
    return "\n".join(lines).rstrip() + "\n"


def _write_submodule(module: Module) -> Iterator[str]:
    """A public module: what it says of itself, and its public names."""
    yield from (f"## {module.name}", "", ast.get_docstring(module.tree) or "", "")
    for node in module.tree.body:
        if isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not node.name.startswith("_"):
            yield from write_name(node.name, node, module)


def build_pages(root: Path) -> dict[str, str]:
    """Every page of the reference, by file name. Raises MissingNameError."""
    pages = {f"{package}.md": write_page(root, package) for package in SOURCES}
    index = [
        "# API reference",
        "",
        "Written from the docstrings by `installer/api_reference.py`. Do not edit.",
        "",
    ]
    index += ["| package | is |", "|---|---|"]
    for package in SOURCES:
        module = load_module(root, package)
        assert module is not None
        first = " ".join((ast.get_docstring(module.tree) or "").split("\n\n")[0].split())
        index.append(f"| [{package}]({package}.md) | {first} |")
    index += ["", "The command line is described by `selva --help` and in the pages beside this folder."]
    return {"README.md": "\n".join(index) + "\n", **pages}


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the pages; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say which pages would change")
    options = parser.parse_args(argv)
    folder = ROOT / PAGES
    try:
        pages = build_pages(ROOT)
    except MissingNameError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    changed = [
        name
        for name, text in pages.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    if not options.check:
        folder.mkdir(parents=True, exist_ok=True)
        for name in changed:
            (folder / name).write_text(pages[name], encoding="utf-8", newline="\n")
    for name in changed:
        print(f"{(PAGES / name).as_posix()} {'is out of date' if options.check else 'written'}")
    if options.check and changed:
        print(f'Run: "{sys.executable}" "{Path(__file__).resolve()}"', file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
