"""Docstrings of the package as reStructuredText, for autodoc.

They are written to be read in an editor: Google's sections, names in single backquotes, numbered
references, and symbols such as |x| and scale_ that reStructuredText would read as markup.
"""

import re

_SECTION = re.compile(r"^(\s*)(Args|Attributes):$")
_NAMES = re.compile(r"\s+[^\s:\-][^:]*")  # of arguments, without the text on them
_REFERENCE = re.compile(r"^(\s*)\.\. \[(\d+)\] ")


def escaped(text: str) -> str:
    """Text with the markup of reStructuredText escaped, but in backquotes."""
    parts = re.split(r"(`[^`]*`)", text)
    for k in range(0, len(parts), 2):
        part = re.sub(r"\[(\d+)\]_", r"[\1]", parts[k])
        part = part.replace("|", r"\|").replace("*", r"\*")
        parts[k] = re.sub(r"(\w)_(?=\W|$)", r"\1\\_", part)
    return "".join(parts)


def joined_names(lines: list[str]) -> list[str]:
    """Lists of arguments that take several lines, in one line each, as Napoleon wants them."""
    found: list[str] = []
    level = -1  # the indentation of the arguments, in a section
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if match := _SECTION.match(line):
            level = len(match[1]) + 4
        elif line and indent < level:
            level = -1
        elif level >= 0 and indent > level and _NAMES.fullmatch(found[-1]):
            found[-1] += " " + line.strip()
            continue
        found.append(line)
    return found


def restructured(lines: list[str]) -> list[str]:
    """The lines of a docstring, for Napoleon and docutils; blocks of code stay as they are."""
    found: list[str] = []
    literal = -1  # the indentation of the text before a block of code
    open_literal = False  # a backquote of the line before is not closed
    for line in joined_names(lines):
        indent = len(line) - len(line.lstrip())
        if literal >= 0 and line and indent <= literal:
            literal = -1
        if literal >= 0 or line.lstrip().startswith(">>>"):
            found.append(line)
            continue
        if line.endswith("::"):
            literal = indent
        reference = _REFERENCE.match(line)
        if reference:
            line = f"{reference[1]}*  [{reference[2]}] {line[reference.end() :]}"
            found.append(line[: len(reference[1]) + 3] + escaped(line[len(reference[1]) + 3 :]))
        elif open_literal or line.count("`") % 2:
            found.append(line)
            open_literal ^= bool(line.count("`") % 2)
        else:
            found.append(escaped(line))
    return found
