"""All mutations of a C file, by kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from .tokens import Token, find_excluded, is_declaration, match_brackets, text_at, tokenize

KINDS = ("operator", "constant", "call", "return", "assignment", "condition")

# Formatted as .clang-format has it, an operator of two operands stands between spaces, one of one operand
# does not: that tells `a * b` from `*b`.
BINARY = {
    "+": ("-",), "-": ("+",), "*": ("/", "+"), "/": ("*",), "%": ("/",),
    "&": ("|", "^"), "|": ("&", "^"), "^": ("|", "&"), "<<": (">>",), ">>": ("<<",),
    "&&": ("||",), "||": ("&&",),
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    "+=": ("-=",), "-=": ("+=",), "&=": ("|=",), "|=": ("&=",), "^=": ("|=",), "<<=": (">>=",), ">>=": ("<<=",),
}
UNARY = {"!": ("",), "~": ("",), "-": ("",), "++": ("--",), "--": ("++",)}
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
ERRNO = re.compile(r"E[A-Z0-9]{2,}$")
FLOW = {"if", "while", "for", "switch", "return", "sizeof", "do", "else", "case", "goto", "break", "continue"}


@dataclass(frozen=True)
class Mutation:
    """text[start:end] becomes `new`, which has as many lines."""

    kind: str
    start: int
    end: int
    new: str

    def apply(self, text: str) -> str:
        return text[:self.start] + self.new + text[self.end:]


@dataclass(frozen=True)
class Site:
    """A place and what may be done to it."""

    kind: str
    choices: tuple[Mutation, ...]


def change(kind: str, text: str, start: int, end: int, *new: str) -> Site:
    lines = "\n" * text.count("\n", start, end)
    return Site(kind, tuple(Mutation(kind, start, end, n + lines[n.count("\n"):]) for n in new))


def find_sites(text: str, rng: Random) -> list[Site]:
    """Every place of the file; `rng` picks the bits that are flipped."""
    tokens = tokenize(text)
    pairs = match_brackets(tokens)
    opening = {close: begin for begin, close in pairs.items()}
    excluded = find_excluded(tokens, pairs)
    found: list[Site] = []
    for i, token in enumerate(tokens):
        if i in excluded:
            continue
        if token.kind == "number":
            found.append(constant(text, token, rng))
        elif token.kind == "punct":
            found += operator(text, token)
        elif token.text == "return":
            found += returned(text, tokens, i)
        elif token.text in ("if", "while") and text_at(tokens, i + 1) == "(":
            a, b = tokens[i + 1].end, tokens[pairs[i + 1]].start
            found.append(change("condition", text, a, b, f"!({text[a:b]})"))
        if is_statement(tokens, i, opening):
            found += statement(text, tokens, i, pairs)
    return found


def constant(text: str, token: Token, rng: Random) -> Site:
    digits = token.text.rstrip("uUlL")
    suffix = token.text[len(digits):]
    base = 16 if digits[:2].lower() == "0x" else 8 if len(digits) > 1 and digits[0] == "0" else 10
    value = int(digits, base)
    flipped = value ^ 1 << rng.randrange(max(value.bit_length(), 1))
    values = [v for v in (value + 1, value - 1, 0, flipped) if v >= 0 and v != value]
    show = hex if base == 16 else str
    return change("constant", text, token.start, token.end, *(show(v) + suffix for v in dict.fromkeys(values)))


def operator(text: str, token: Token) -> list[Site]:
    is_apart = text[token.start - 1:token.start].isspace() and text[token.end:token.end + 1].isspace()
    swaps = BINARY.get(token.text, ()) if is_apart else UNARY.get(token.text, ())
    return [change("operator", text, token.start, token.end, *swaps)] if swaps else []


def returned(text: str, tokens: list[Token], i: int) -> list[Site]:
    """Another value, or none of it at all where a function returns nothing."""
    end = next(k for k in range(i, len(tokens)) if tokens[k].text == ";")
    if end == i + 1:
        return [change("return", text, tokens[i].start, tokens[end].end, ";")]
    a, b = tokens[i + 1].start, tokens[end].start
    value = text[a:b]
    if value == "0" or value == "NULL":
        new = ["1"] if value == "0" else []
    elif value in ("true", "false"):
        new = ["false" if value == "true" else "true"]
    elif text_at(tokens, i + 1) == "-" and ERRNO.match(text_at(tokens, i + 2)):
        new = ["0", "-ENOTTY" if value != "-ENOTTY" else "-EIO"]
    else:
        new = ["0", f"!({value})"]
    return [change("return", text, a, b, *new)] if new else []


def is_statement(tokens: list[Token], i: int, opening: dict[int, int]) -> bool:
    """Whether an expression statement may begin at token i."""
    if tokens[i].text in FLOW or not (tokens[i].kind == "name" or tokens[i].text in ("*", "++", "--", "(")):
        return False
    before = text_at(tokens, i - 1)
    if before == ")":
        word = text_at(tokens, opening.get(i - 1, 0) - 1)
        return word in ("if", "while", "for", "switch") or "for_each" in word
    return before in (";", "{", "}", "else", "do", ":")


def statement(text: str, tokens: list[Token], i: int, pairs: dict[int, int]) -> list[Site]:
    """The statement that begins at token i, left out: a call, or an assignment."""
    if is_declaration(tokens, i):
        return []
    kind, at = "", i
    while at < len(tokens) and tokens[at].text not in (";", "{", "}", ","):
        if tokens[at].text in ASSIGN or tokens[at].text in ("++", "--"):
            kind = "assignment"
        if at in pairs:
            kind = kind or ("call" if tokens[at].text == "(" and at > i and tokens[at - 1].kind == "name" else "")
            at = pairs[at]
        at += 1
    if not kind or text_at(tokens, at) != ";":
        return []
    # `for (...; ...; i++)` has no semicolon at its end, so this is no part of it but its first.
    return [change(kind, text, tokens[i].start, tokens[at].start, "")]
