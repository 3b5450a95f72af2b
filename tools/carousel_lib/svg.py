"""What the pictures are made of: elements, numbers as short text, axes. One style sheet for light and dark
screens; colours that people with colour-vision deficiency can tell apart (Okabe and Ito's), and never colour
alone."""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

# Okabe, Ito: 'Color Universal Design', without the black; and whether text on it is white.
PALETTE = [("#0072b2", True), ("#e69f00", False), ("#009e73", False), ("#cc79a7", False), ("#56b4e9", False),
           ("#d55e00", False), ("#f0e442", False)]

STYLE = """\
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;\
font-size:12px;fill:#1f2328}
.page{fill:#fff}.title{font-size:20px;font-weight:600}.head{font-size:14px;font-weight:600}
.muted{fill:#59636e;font-size:11px}.number{fill:#59636e;font-size:11px;font-variant-numeric:tabular-nums;\
text-anchor:end}.axis{fill:#59636e;font-size:11px;text-anchor:middle}.name{text-anchor:end}
.lane{fill:#f3f5f7}.grid{stroke:#d5dae0;fill:none}.line{stroke:#59636e;stroke-width:1.5;fill:none}
.mark{fill:#1f2328}.hatch{stroke:#1f2328;stroke-width:1.2}.dot{fill:#1f2328}.on{font-size:11px;fill:#000}
.on.white{fill:#fff}.bar{fill:#0072b2}.bar2{fill:#e69f00}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.muted,.number,.axis{fill:#9aa5b1}
.lane{fill:#171d26}.grid{stroke:#2f3742}.line{stroke:#9aa5b1}.mark,.dot{fill:#e6edf3}.hatch{stroke:#e6edf3}
.bar{fill:#56b4e9}.on{fill:#000}.on.white{fill:#fff}}
"""


def short(value: float) -> str:
    """A coordinate with one decimal at most."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def element(name: str, content: str = "", **attributes: object) -> str:
    """`class_` and `stroke_width` are the attributes class and stroke-width. `content` is markup."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{short(value) if isinstance(value, float) else value}"'
                    for key, value in attributes.items())
    return f"<{name}{words}>{content}</{name}>" if content else f"<{name}{words}/>"


def text(x: float, y: float, what: str, class_: str = "", **attributes: object) -> str:
    more = {"class_": class_} if class_ else {}
    return element("text", escape(what), x=float(x), y=float(y), **more, **attributes)


def tooltip(what: str) -> str:
    return f"<title>{escape(what)}</title>"


def document(width: float, height: float, label: str, parts: list[str]) -> str:
    defs = ('<defs><pattern id="wait" width="5" height="5" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><path class="hatch" d="M0 0V5"/></pattern>'
            '<pattern id="poll" width="4" height="4" patternUnits="userSpaceOnUse">'
            '<circle class="dot" cx="2" cy="2" r=".9"/></pattern></defs>')
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {short(width)} {short(height)}" '
            f'width="{short(width)}" height="{short(height)}" role="img" aria-label="{escape(label)}">')
    page = element("rect", width="100%", height="100%", class_="page")
    return "\n".join([head, f"<style>\n{STYLE}</style>", defs, page, *parts, "</svg>"]) + "\n"


def duration(us: float) -> str:
    """12.5 ms"""
    for limit, unit in ((1e6, "s"), (1e3, "ms"), (1, "\u00b5s")):
        if abs(us) >= limit:
            return f"{us / limit:.3g} {unit}"
    return f"{us * 1000:.3g} ns"


def nice_ticks(start: float, end: float, count: int) -> list[float]:
    """About so many round numbers between two, both included where they are round."""
    raw = max(end - start, 1e-9) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(start / step - 1e-9)
    return [number * step for number in range(first, math.floor(end / step + 1e-9) + 1)]
