"""The code of README.md and of the manual's pages, as programs to be run.

A fenced block is a program of its own, unless the line before it is one of these comments, which
readers do not see:

    <!-- continues -->           it goes on with the block before it, in the same folder
    <!-- not run: the reason --> it is only checked, not run
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LANGUAGES = ("python", "cpp", "c", "cmake", "sh", "text", "json")
_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>.*?) -->\n+)?^```(?P<language>\S*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """One block: its page, its number there, its language, its code and its mark."""

    page: str
    number: int
    language: str
    code: str
    mark: str

    def __str__(self):
        return f"{self.page}-{self.number}"


@dataclass
class Program:
    """Blocks that are run one after the other, in the same folder."""

    blocks: list[Block] = field(default_factory=list)

    @property
    def languages(self):
        return {block.language for block in self.blocks}

    def steps(self):
        """(language, code) of each, with neighbouring blocks of Python as one."""
        found = []
        for block in self.blocks:
            if found and found[-1][0] == block.language == "python":
                found[-1] = ("python", found[-1][1] + "\n" + block.code)
            else:
                found.append((block.language, block.code))
        return found

    def parameter(self):
        return pytest.param(self, id=str(self.blocks[0]))


def pages():
    """README.md and all pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def blocks():
    """All blocks but directives of Sphinx, such as {include}."""
    found = []
    for page in pages():
        name = page.relative_to(ROOT).with_suffix("").as_posix().removeprefix("docs/")
        fences = list(_FENCE.finditer(page.read_text(encoding="utf-8")))
        for number, match in enumerate(m for m in fences if not m["language"].startswith("{")):
            block = Block(name, number, match["language"], match["code"], match["mark"] or "")
            assert block.language in _LANGUAGES, f"{block}: the language {block.language!r}"
            found.append(block)
    return found


def programs():
    """The blocks that are run, in groups; those of text and JSON are not."""
    found = []
    for block in blocks():
        if block.language in ("text", "json") or block.mark.startswith("not run"):
            continue
        if block.mark == "continues":
            assert found[-1].blocks[0].page == block.page, f"{block} has nothing to continue"
            found[-1].blocks.append(block)
        else:
            assert not block.mark, f"{block}: unknown mark {block.mark!r}"
            found.append(Program([block]))
    return found
