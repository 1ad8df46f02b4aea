"""The command line, `python -m peephole`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from peephole._core import __version__
from peephole.demo.speakers import EPOCHS, LEARNING_RATES, picture_problem, run
from peephole.interop.convert import add_arguments, convert


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command given by `argv` (default: the command line); returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m peephole", description="LSTM networks with peephole connections."
    )
    parser.add_argument("--version", action="version", version=f"peephole {__version__}")
    parser.add_argument(
        "--cmakedir",
        action=_PrintCmakeDir,
        nargs=0,
        help="print the folder for CMAKE_PREFIX_PATH or peephole_DIR of C++ projects, and exit",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    options = commands.add_parser(
        "demo",
        help="train a speaker classifier on real speech, and show its results",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    options.add_argument(
        "--seed", type=_not_negative, default=0, help="of weights, noise and order"
    )
    options.add_argument(
        "--epochs",
        type=_positive,
        default=EPOCHS,
        help=f"epochs in each of {len(LEARNING_RATES)} rounds of training",
    )
    options.add_argument(
        "--output", type=Path, default=Path("peephole-demo.png"), help="the file for the picture"
    )
    options.add_argument("--quiet", action="store_true", help="print only the test accuracy")
    add_arguments(
        commands.add_parser(
            "convert",
            help="convert a model file: peephole, torch, Keras, ONNX, NeuralAmpModeler, RTNeural",
        )
    )
    arguments = parser.parse_args(argv)
    if arguments.command == "convert":
        return _convert(parser, arguments)
    if not arguments.output.parent.is_dir():
        # Check now rather than after the training.
        parser.error(f"--output: there is no folder {arguments.output.parent}")
    if problem := picture_problem(arguments.output):
        parser.error(f"--output: {problem}")
    run(arguments.seed, arguments.epochs, arguments.output, arguments.quiet)
    return 0


def _convert(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        print(convert(arguments))
    except (ImportError, OSError, TypeError, ValueError) as error:
        parser.exit(1, f"{parser.prog} convert: {error}\n")
    return 0


class _PrintCmakeDir(argparse.Action):
    """Prints the folder of the CMake package of the C++ core."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        folder = cmake_dir()
        if not folder.joinpath("peephole-config.cmake").is_file():
            parser.error(
                f"--cmakedir: this installation has no C++ package in {folder}; a build from "
                "source has it: pip install --no-binary peephole --force-reinstall peephole"
            )
        print(folder)
        parser.exit()


def cmake_dir() -> Path:
    """The folder of the CMake package of the C++ core in an installed wheel."""
    return Path(__file__).parent / "lib" / "cmake" / "peephole"


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}") from None


def _not_negative(text: str) -> int:
    value = _integer(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {text}")
    return value


def _positive(text: str) -> int:
    value = _integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return value


if __name__ == "__main__":
    raise SystemExit(main())
