"""The innermost loops of compiled kernels, as `objdump -d -C` prints them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FUNCTION = re.compile(r"[0-9a-f]+ <(?P<name>.*)>:")
_INSTRUCTION = re.compile(r"\s+(?P<address>[0-9a-f]+):\s+(?P<code>[a-z].*)")
# Conditional ones. Others lead back from blocks that the compiler has moved out of a loop, since
# they rarely run: those are not counted.
_JUMP = re.compile(r"(?:b\.\w+|cbn?z\s+\w+,|tbn?z\s+\w+, \S+)\s+(?P<target>[0-9a-f]+) <")
_LOADS = ("ldr", "ldur", "ldp", "ld1", "ld1r")


@dataclass(frozen=True)
class Loop:
    """A loop that contains no other."""

    function: str
    instructions: tuple[str, ...]

    def count(self, *names: str) -> int:
        """Its instructions with one of these names."""
        return sum(code.split()[0] in names for code in self.instructions)

    @property
    def products(self) -> int:
        """Its fused multiply-add instructions."""
        return self.count("fmla")

    @property
    def loads(self) -> int:
        """Its load instructions, of vectors or not."""
        return self.count(*_LOADS)

    @property
    def assembly(self) -> str:
        """What llvm-mca reads: jumps lose their targets, which are outside of the text."""
        return "".join(
            re.sub(r"[0-9a-f]+ <.*", "away", code.split("//")[0]) + "\n"
            for code in self.instructions
        )


def innermost_loops(disassembly: str) -> Iterator[Loop]:
    """Those of every function."""
    name, addresses, codes = "", list[int](), list[str]()
    for line in [*disassembly.splitlines(), "0 <end>:"]:
        if function := _FUNCTION.fullmatch(line):
            yield from _loops(name, addresses, codes)
            name, addresses, codes = function["name"], [], []
        elif instruction := _INSTRUCTION.fullmatch(line):
            addresses.append(int(instruction["address"], 16))
            codes.append(instruction["code"].strip())


def _loops(name: str, addresses: Sequence[int], codes: Sequence[str]) -> Iterator[Loop]:
    position = {address: n for n, address in enumerate(addresses)}
    spans = []
    for last, code in enumerate(codes):
        jump = _JUMP.match(code)
        first = position.get(int(jump["target"], 16)) if jump else None
        if first is not None and first <= last:
            spans.append((first, last))
    for first, last in spans:
        others = (span for span in spans if span != (first, last))
        if not any(first <= a and b <= last for a, b in others):
            yield Loop(name, tuple(codes[first : last + 1]))
