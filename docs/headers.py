"""The comments of a header in the forms that Doxygen reads.

- The comment above `namespace peephole` is about the file.
- Indented lists in comments keep their lines.
- The plain comments of the C header are documentation.
"""

import re

_NAMESPACE = re.compile(r"((?:^///.*\n)+)(?=^namespace peephole \{)", re.MULTILINE)
_LIST = re.compile(r"(?:^ *///  {1,3}\S.*\n)+", re.MULTILINE)
_TRAILING = re.compile(r"(?<=[;,]) +/\* (?!---)|(?<==)(\s+\w+,) +/\* ")


def of_cpp(text: str) -> str:
    """A header of C++."""
    text = _NAMESPACE.sub(lambda match: "/// @file\n///\n" + match[1] + "\n", text)

    def verbatim(match: re.Match[str]) -> str:
        indent = match[0][: match[0].index("///")]
        return f"{indent}/// @verbatim\n{match[0]}{indent}/// @endverbatim\n"

    return _LIST.sub(verbatim, text)


def of_c(text: str) -> str:
    """The header of C."""
    text = re.sub(r"^/\* (?!---|Of <stddef)", "/** ", text, flags=re.MULTILINE)
    text = text.replace("/** ", "/** @file\n *\n * ", 1)
    text = _TRAILING.sub(lambda match: f"{match[1] or ''} /**< ", text)
    # Programs in comments.
    return re.sub(
        r"^ \*\n((?: \*   .*\n)+) \*\n",
        r" * @code{.c}\n\1 * @endcode\n *\n",
        text,
        flags=re.MULTILINE,
    )


def with_documentation(text: str, suffix: str) -> str:
    """The text of a header, .h of C or .hpp of C++, for Doxygen."""
    return of_c(text) if suffix == ".h" else of_cpp(text)
