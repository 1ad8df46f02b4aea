"""Draws the pictures of the manual: `python docs/pictures/draw.py` writes SVG files beside it."""

from html import escape
from pathlib import Path

BLACK, RED, BLUE = "#333333", "#c0392b", "#1f5fa8"
PLAIN, GATE, STATE, HEAD = "#ffffff", "#e8eef7", "#fdf1d6", "#e3f3e6"


class Picture:
    """An SVG file with boxes, arrows and texts; coordinates are in pixels, y downwards."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size = width, height
        self._title = title
        self._parts: list[str] = []

    def box(self, x: float, y: float, text: str, fill: str, width: float = 64, height: float = 40):
        """A box around (x, y), with a text in it."""
        self._parts.append(
            f'<rect x="{x - width / 2}" y="{y - height / 2}" width="{width}" height="{height}" '
            f'rx="6" fill="{fill}" stroke="{BLACK}"/>'
        )
        self.text(x, y + 5, text)

    def circle(self, x: float, y: float, text: str):
        """An operation: a small circle with a sign in it."""
        self._parts.append(f'<circle cx="{x}" cy="{y}" r="13" fill="{PLAIN}" stroke="{BLACK}"/>')
        self.text(x, y + 6, text, size=18)

    def text(self, x: float, y: float, text: str, colour: str = BLACK, size: int = 14, at="middle"):
        """A text; _{...} is a subscript."""
        parts = escape(text).replace("_{", "\0").replace("}", "\1")
        small = f'<tspan baseline-shift="sub" font-size="{size - 4}">'
        parts = parts.replace("\0", small).replace("\1", "</tspan>")
        self._parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{at}">'
            f"{parts}</text>"
        )

    def line(self, *points: tuple[float, float], colour: str = BLACK, head: bool = True):
        """A line through the points, with an arrow head at its end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        end = f' marker-end="url(#head-{colour[1:]})"' if head else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{end}/>'
        )

    def save(self, name: str) -> None:
        """Writes the file, beside this program."""
        width, height = self._size
        heads = "".join(
            f'<marker id="head-{colour[1:]}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
            f'markerHeight="6" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
            for colour in (BLACK, RED, BLUE)
        )
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">',
            f"<title>{escape(self._title)}</title>",
            f"<defs>{heads}</defs>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
            *self._parts,
            "</svg>",
        ]
        Path(__file__).with_name(f"{name}.svg").write_text(
            "\n".join(lines) + "\n", encoding="utf-8"
        )


def cell() -> None:
    """One cell: c_t along the top, the gates below, what they read from below."""
    p = Picture(760, 400, "An LSTM cell with four peepholes")
    gates = {"f": 250, "i": 380, "g": 480, "o": 620}
    # What the gates read: x and h by the lower line, the cell state by the red one.
    p.line((120, 70), (120, 335), (gates["o"] - 14, 335), colour=RED, head=False)
    p.line((60, 300), (gates["o"] + 14, 300), colour=BLUE, head=False)
    for name, x in gates.items():
        p.line((x - 14, 335), (x - 14, 252), colour=RED)
        p.line((x + 14, 300), (x + 14, 252), colour=BLUE)
        p.box(x, 230, name, GATE)
    # The cell state.
    p.line((60, 70), (237, 70))
    p.line((263, 70), (417, 70))
    p.line((443, 70), (715, 70))
    p.line((250, 210), (250, 83))
    p.line((380, 210), (380, 150), (417, 150))
    p.line((480, 210), (480, 150), (443, 150))
    p.line((430, 137), (430, 83))
    p.line((620, 70), (620, 93))
    p.line((620, 117), (620, 137))
    p.line((620, 210), (620, 163))
    p.line((633, 150), (715, 150))
    p.box(620, 105, "h", STATE, 40, 24)
    for x, y, sign in ((250, 70, "⊙"), (430, 150, "⊙"), (430, 70, "+"), (620, 150, "⊙")):
        p.circle(x, y, sign)
    p.text(36, 75, "c_{t-1}")
    p.text(735, 75, "c_{t}")
    p.text(735, 155, "h_{t}")
    p.text(55, 290, "x_{t}, h_{t-1}", BLUE, at="start")
    p.text(130, 358, "the peepholes: c_{t-1}, read by all four gates", RED, at="start")
    p.text(
        130,
        382,
        "f forget gate, i input gate, g cell input, o output gate; ⊙ product",
        size=13,
        at="start",
    )
    p.save("cell")


def stack() -> None:
    """Two layers over four steps, with a head on the upper one."""
    p = Picture(760, 350, "A stack of two layers and a head")
    for k, x in enumerate((190, 340, 490, 640)):
        step = ("t-1", "t", "t+1", "t+2")[k]
        p.text(x, 335, f"x_{{{step}}}")
        p.line((x, 315), (x, 282))
        for y in (260, 170):
            p.box(x, y, "LSTM", GATE, 84)
            p.line((x - 108, y), (x - 44, y))
        p.line((x, 240), (x, 192))
        p.line((x, 150), (x, 112))
        p.box(x, 90, "head", HEAD, 84)
        p.line((x, 70), (x, 42))
        p.text(x, 32, f"y_{{{step}}}")
    for y, layer in ((260, "layer 0"), (170, "layer 1")):
        p.text(40, y + 5, layer)
        p.line((684, y), (740, y))
        p.text(112, y - 10, "h, c")
    p.save("stack")


def peepholes() -> None:
    """Diagonal and dense peepholes of three cells."""
    p = Picture(760, 250, "Diagonal and dense peepholes")
    for left, title, dense in ((60, 'peephole="diagonal"', False), (430, 'peephole="dense"', True)):
        columns = [left + 40 + 115 * k for k in range(3)]
        for k, x in enumerate(columns):
            for m, source in enumerate(columns):
                if dense or k == m:
                    p.line((source, 170), (x, 92), colour=RED)
        for k, x in enumerate(columns):
            p.box(x, 190, f"c_{{{k + 1}}}", STATE, 60)
            p.box(x, 70, "i f g o", GATE, 84)
        p.text(left + 155, 30, title, size=15)
        p.text(left + 155, 238, "P_{k}: (3, 3)" if dense else "P_{k}: (3,)")
    p.save("peepholes")


def stream() -> None:
    """The same six steps whole, in blocks and one by one."""
    p = Picture(760, 230, "A sequence, blocks and steps")
    rows = (
        ("predict: the sequence", [6]),
        ("process: blocks", [2, 4]),
        ("step: single steps", [1] * 6),
    )
    for row, (title, parts) in enumerate(rows):
        y = 50 + 65 * row
        p.text(20, y + 5, title, at="start")
        start = 0
        for n in parts:
            left, right = 225 + 85 * start, 225 + 85 * (start + n) - 25
            names = f"x_{{{start}}}" if n == 1 else f"x_{{{start}}} … x_{{{start + n - 1}}}"
            p.box((left + right) / 2, y, names, GATE, right - left)
            p.line((right, y), (right + 22, y), colour=RED)
            start += n
    p.text(225, 222, "→ the state (h, c), which the stream keeps between calls", RED, at="start")
    p.save("stream")


def forecast() -> None:
    """What is known at the time of a forecast, and what is fed back."""
    p = Picture(760, 270, "A forecast of many steps")
    columns = [150 + 80 * k for k in range(7)]
    p.line((430, 20), (430, 250), head=False)
    p.text(420, 32, "history", at="end")
    p.text(440, 32, "future", at="start")
    for k, x in enumerate(columns):
        known = k < 4
        p.box(x, 90, "y" if known else "ŷ", STATE if known else HEAD, 50)
        p.box(x, 160, "LSTM", GATE, 60)
        p.box(x, 225, "x", PLAIN, 50, 32)
        p.line((x, 209), (x, 182))
        if k < 6:
            p.line((x + 30, 160), (x + 48, 160))
            colour = BLACK if known else RED
            p.line((x + 25, 98), (x + 40, 110), (x + 64, 140), colour=colour)
        if k >= 4:
            p.line((x, 140), (x, 112))
    p.text(60, 95, "the series")
    p.text(60, 230, "covariates")
    p.text(712, 128, "fed back", RED)
    p.save("forecast")


def structure() -> None:
    """The folders of the core."""
    p = Picture(560, 380, "The folders of the core")
    rows = [
        ["files", "binding (Python)"],
        ["stream", "api"],
        ["stack"],
        ["compute"],
        ["reference", "kernels"],
        ["layer"],
        ["base, runtime, model"],
    ]
    for k, row in enumerate(rows):
        for m, name in enumerate(row):
            width = (480 - 10 * (len(row) - 1)) / len(row)
            fill = GATE if name in ("reference", "kernels") else PLAIN
            p.box(40 + width / 2 + m * (width + 10), 40 + 50 * k, name, fill, width)
    p.save("structure")


if __name__ == "__main__":
    for draw in (cell, stack, peepholes, stream, forecast, structure):
        draw()
