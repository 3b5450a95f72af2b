"""Reads text back from a screenshot: each cell of a picture against the glyphs of the framebuffer's font
(build/gen/font.c)."""

from __future__ import annotations

import os
import re

from carousel_lib.common import BUILD

WIDTH, HEIGHT = 8, 16
FIRST = 0x20


def read_glyphs() -> dict[bytes, str]:
    with open(os.path.join(BUILD, "gen", "font.c"), encoding="ascii") as file:
        rows = re.findall(r"\{((?:0x[0-9a-f]{2}, ){15}0x[0-9a-f]{2})\}", file.read())
    glyphs = [bytes(int(word, 16) for word in row.split(", ")) for row in rows]
    return {glyph: chr(FIRST + number) for number, glyph in enumerate(glyphs[:-1])}


def read_ppm(path: str) -> tuple[int, int, bytes]:
    """Width, height and the pixels, three bytes each."""
    with open(path, "rb") as file:
        data = file.read()
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if not header:
        raise ValueError(f"{path} is no PPM picture")
    return int(header[1]), int(header[2]), data[header.end():]


def read_text(path: str) -> list[str]:
    """The lines of the screen; a cell that is no glyph is U+FFFD."""
    width, height, pixels = read_ppm(path)
    glyphs = read_glyphs()
    lit = bytes(1 if pixels[at] else 0 for at in range(0, width * height * 3, 3))

    def cell(row: int, column: int) -> str:
        rows = []
        for y in range(HEIGHT):
            at = (row * HEIGHT + y) * width + column * WIDTH
            rows.append(sum(bit << (WIDTH - 1 - x) for x, bit in enumerate(lit[at:at + WIDTH])))
        return glyphs.get(bytes(rows), "\ufffd")

    return ["".join(cell(row, column) for column in range(width // WIDTH)).rstrip()
            for row in range(height // HEIGHT)]


def screen_problems(path: str, patterns: list[str]) -> list[str]:
    """What the screenshot lacks. The text that was read is left beside it."""
    try:
        lines = read_text(path)
    except (OSError, ValueError) as error:
        return [f"no screenshot: {error}"]
    text = "\n".join(lines)
    with open(os.path.splitext(path)[0] + ".txt", "w", encoding="utf-8") as file:
        file.write(text + "\n")
    found = [f"{os.path.basename(path)} lacks /{pattern}/" for pattern in patterns
             if not re.search(pattern, text, re.M)]
    if "\ufffd" in text:
        found.append(f"{os.path.basename(path)} has cells that are no letters")
    return found
