"""Links of pages to files of the tree, which are pages of the manual or files in the repository."""

import os
import re
from pathlib import Path

REPOSITORY = "https://github.com/peephole-lstm/peephole"
DOCS = Path(__file__).parent
ROOT = DOCS.parent
# Files outside docs/ whose text is that of a page.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "bench/README.md": "benchmarks/running.md",
    "bench/tasks/README.md": "benchmarks/tasks.md",
    "cpp/src/kernels/README.md": "design/kernels.md",
}
INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
# A block of code, or a link of Markdown.
CODE_OR_LINK = re.compile(r"^```.*?^```$|`[^`\n]*`|(\]\()([^)\s]+)(\))", re.MULTILINE | re.DOTALL)


def target(link: str, page: Path, shown: Path) -> str:
    """The target of a link in `page`, whose text is shown on the page `shown`.

    A page of the manual stays a relative path, and any other file or folder of the tree becomes an
    address in the repository. Addresses and anchors stay as they are.
    """
    if re.match(r"[a-z]+:|#", link):
        return link
    path, _, anchor = link.partition("#")
    anchor = "#" + anchor if anchor else ""
    file = (page.parent / path).resolve()
    name = file.relative_to(ROOT).as_posix()
    if name in PAGES:
        file = DOCS / PAGES[name]
    if file.is_relative_to(DOCS) and file.suffix in (".md", ".svg"):
        return Path(os.path.relpath(file, shown.parent)).as_posix() + anchor
    kind = "tree" if file.is_dir() else "blob"
    return f"{REPOSITORY}/{kind}/main/{name}{anchor}"


def with_links(text: str, page: Path, shown: Path) -> str:
    """The text of `page` as the page `shown` has it."""

    def of_the_link(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]
        return match[1] + target(match[2], page, shown) + match[3]

    return CODE_OR_LINK.sub(of_the_link, text)
