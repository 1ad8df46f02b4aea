"""Sphinx' configuration of the manual: `sphinx-build -W --keep-going docs build/docs`."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import peephole
from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from docstrings import restructured  # noqa: E402
from headers import with_documentation  # noqa: E402
from links import INCLUDE, REPOSITORY, with_links  # noqa: E402

project = "peephole"
author = "peephole contributors"
copyright = "peephole contributors"
version = release = peephole.__version__

# The reference of C++ and C needs Doxygen; without it, its pages say that they are not complete.
DOXYGEN = shutil.which("doxygen") is not None and find_spec("breathe") is not None
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    *(["breathe"] if DOXYGEN else []),
]
exclude_patterns = ["examples"]
suppress_warnings = [
    "duplicate_declaration.cpp",  # each header opens the namespace
    "ref.python",  # names of attributes that several classes have
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "literal"  # docstrings have names in single backquotes
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_mock_imports = [name for name in ("torch", "jax", "sklearn") if find_spec(name) is None]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"peephole {release}"
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

breathe_default_project = "peephole"
_NO_DOXYGEN = (
    "*Doxygen was not available when this manual was built. The headers have all of it:*\n"
)
_DOXYFILE = """
FILE_PATTERNS = *.hpp *.h
GENERATE_HTML = NO
GENERATE_LATEX = NO
GENERATE_XML = YES
JAVADOC_AUTOBRIEF = YES
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = PEEPHOLE_API=
EXTRACT_ALL = YES
WARN_IF_UNDOCUMENTED = NO
QUIET = YES
"""


def read_headers(app: Sphinx) -> None:
    """Run Doxygen, where it is available."""
    if not DOXYGEN:
        logging.getLogger(__name__).info("without Doxygen: the reference of C++ and C is left out")
        return
    folder = Path(app.doctreedir) / "doxygen"
    folder.mkdir(parents=True, exist_ok=True)
    for header in (HERE.parent / "cpp/include/peephole").glob("*.h*"):
        documented = with_documentation(header.read_text(encoding="utf-8"), header.suffix)
        (folder / header.name).write_text(documented, encoding="utf-8")
    settings = f'{_DOXYFILE}INPUT = "{folder}"\nOUTPUT_DIRECTORY = "{folder}"\n'
    subprocess.run(["doxygen", "-"], input=settings, text=True, check=True)
    app.config.breathe_projects = {"peephole": str(folder / "xml")}


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Include the files of the tree that a page names, and turn links to files into addresses."""
    shown = HERE / f"{docname}.md"
    text = with_links(source[0], shown, shown)
    if not DOXYGEN:
        text = re.sub(r"^```\{doxygenfile\}.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)

    def included(match: re.Match[str]) -> str:
        file = (shown.parent / match[1]).resolve()
        app.env.note_dependency(str(file))
        return with_links(file.read_text(encoding="utf-8"), file, shown)

    source[0] = INCLUDE.sub(included, text)


def read_docstring(
    app: Sphinx, what: str, name: str, of: object, _: object, lines: list[str]
) -> None:
    """Make reStructuredText of a docstring, before Napoleon reads it."""
    lines[:] = restructured(lines)


def setup(app: Sphinx) -> None:
    """Connect what Sphinx calls."""
    app.connect("builder-inited", read_headers)
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)
