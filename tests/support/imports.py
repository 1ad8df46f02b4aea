"""The imports between the modules of a package, read from its source."""

import ast
from collections.abc import Iterator
from pathlib import Path


def modules_of(package: Path) -> dict[str, Path]:
    """{dotted name: file} of all modules in a package folder, stubs of extension modules too."""
    modules = {}
    for path in sorted([*package.rglob("*.py"), *package.rglob("*.pyi")]):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        modules[".".join(parts)] = path
    return modules


def imports_of(package: Path) -> dict[str, set[str]]:
    """{module: the modules of the package that it imports}.

    All import statements count, those inside functions and under TYPE_CHECKING too.
    """
    modules = modules_of(package)
    return {name: set(_imported(name, path, modules)) for name, path in modules.items()}


def with_packages(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same with the packages around each imported module, because Python runs them first.

    The packages around the importing module itself have begun to run before it, so they are not
    added.
    """
    return {
        name: {
            *imported,
            *(
                parent
                for target in imported
                for parent in _parents(target)
                if not f"{name}.".startswith(f"{parent}.")
            ),
        }
        for name, imported in imports.items()
    }


def circle(imports: dict[str, set[str]]) -> list[str] | None:
    """Modules that import each other in a circle, the first one repeated at the end."""
    done: set[str] = set()

    def search(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        for imported in sorted(imports[name]):
            if found := search(imported, [*path, name]):
                return found
        done.add(name)
        return None

    return next(filter(None, (search(name, []) for name in sorted(imports))), None)


def forbidden(imports: dict[str, set[str]], may_import: dict[str, str]) -> list[str]:
    """Lines "module imports module" that a table does not allow.

    The table gives for each part of the package the parts, or single modules of them, that it may
    import, separated by spaces, or "*" for all. A part is a module or package directly in the
    package; "" is the package's own `__init__`. Imports within a part are allowed.
    """
    lines = []
    for name, imported in imports.items():
        part = _part(name)
        if part not in may_import:
            lines.append(f"{name} is not in the table")
            continue
        allowed = may_import[part].split()
        lines += [
            f"{name} imports {target}"
            for target in sorted(imported)
            if part == "" or _part(target) != part
            if "*" not in allowed and not {_part(target), _inside(target)} & set(allowed)
        ]
    return lines


def _imported(name: str, path: Path, modules: dict[str, Path]) -> Iterator[str]:
    root = name.split(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            candidates = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, path)
            candidates = [(f"{base}.{alias.name}", base) for alias in node.names]
        else:
            continue
        for full, base in candidates:
            target = full if full in modules else base
            if target.split(".")[0] == root:
                assert target in modules, f"{name} imports {full}, which is not in the package"
                yield target


def _absolute(node: ast.ImportFrom, name: str, path: Path) -> str:
    if node.level == 0:
        return node.module or ""
    parts = name.split(".")
    up = node.level - (path.stem == "__init__")
    return ".".join([*parts[: len(parts) - up], *filter(None, [node.module])])


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def _inside(name: str) -> str:
    return name.partition(".")[2]


def _part(name: str) -> str:
    return _inside(name).split(".")[0]
