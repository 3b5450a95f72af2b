"""C as tokens, as far as a mutation wants it: what is code, what is a declaration, where a statement ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<skip>/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:\\\n|[^\n])*)
      | (?P<string>L?"(?:\\.|[^"\\])*"|L?'(?:\\.|[^'\\])*')
      | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<punct>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[^\s\w])""",
    re.VERBOSE | re.DOTALL | re.MULTILINE)

OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}


@dataclass(frozen=True)
class Token:
    kind: str  # string, number, name or punct
    text: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Without comments and preprocessor lines."""
    return [Token(str(m.lastgroup), m.group(), m.start(), m.end())
            for m in TOKEN.finditer(text) if m.lastgroup != "skip"]


def match_brackets(tokens: list[Token]) -> dict[int, int]:
    """Each opening bracket's index to its closing one's."""
    pairs: dict[int, int] = {}
    stack: list[int] = []
    for i, token in enumerate(tokens):
        if token.kind != "punct":
            continue
        if token.text in OPEN:
            stack.append(i)
        elif token.text in CLOSE and stack:
            pairs[stack.pop()] = i
    return pairs


# What a mutation leaves alone whole: checks by the compiler, and assertions, which no correct caller meets.
LEFT_ALONE = {"static_assert", "_Static_assert", "ASSERT", "DEBUG_ASSERT", "offsetof", "sizeof", "container_of"}


def find_excluded(tokens: list[Token], pairs: dict[int, int]) -> set[int]:
    """Indices of tokens whose change would not compile or change nothing: types' definitions, sizes of
    arrays, assertions, goto labels' names."""
    excluded: set[int] = set()
    for i, token in enumerate(tokens):
        if token.kind == "name" and token.text in LEFT_ALONE and text_at(tokens, i + 1) == "(":
            excluded.update(range(i, pairs.get(i + 1, i) + 1))
        if token.text in ("struct", "union"):
            # `struct name {` or `struct {`: the definition of a type.
            brace = i + 1 if text_at(tokens, i + 1) == "{" else i + 2
            if text_at(tokens, brace) == "{" and brace in pairs:
                excluded.update(range(i, pairs[brace] + 1))
        if token.text == "[" and is_size(tokens, i, pairs):
            excluded.update(range(i, pairs[i] + 1))
    return excluded


def is_size(tokens: list[Token], i: int, pairs: dict[int, int]) -> bool:
    """Whether the bracket at i holds the size of an array that is declared: `type name[...]`, `*name[...]`
    behind a type, `name[...][...]`, and not an index or a designator."""
    at = i - 1
    while at > 0 and tokens[at].text == "]":
        at = next((k for k, v in pairs.items() if v == at), 0) - 1
    if at < 1 or tokens[at].kind != "name" or i not in pairs:
        return False
    before = tokens[at - 1]
    while before.text == "*" and at > 1:
        at -= 1
        before = tokens[at - 1]
    if before.text == ",":
        return is_declaration(tokens, at)
    return before.kind == "name" and before.text not in ("return", "else", "case", "do")


def is_declaration(tokens: list[Token], i: int) -> bool:
    """Whether the statement that token i stands in begins as a declaration does: two names, or a name and
    `*` and a name."""
    begin = statement_start(tokens, i)
    first = tokens[begin]
    if first.kind != "name" or first.text in ("return", "else", "case", "goto", "do", "if", "while", "for", "switch"):
        return False
    if first.text in ("static", "const", "struct", "union", "enum", "unsigned", "volatile", "extern", "register"):
        return True
    at = begin + 1
    while text_at(tokens, at) == "*":
        at += 1
    return at < len(tokens) and tokens[at].kind == "name"


def statement_start(tokens: list[Token], i: int) -> int:
    """The index of the first token of the statement that token i stands in."""
    depth = 0
    while i > 0:
        text = tokens[i - 1].text
        if text in (")", "]"):
            depth += 1
        elif text in ("(", "["):
            if not depth:
                return i
            depth -= 1
        elif not depth and text in (";", "{", "}", ":"):
            return i
        i -= 1
    return 0


def text_at(tokens: list[Token], i: int) -> str:
    return tokens[i].text if 0 <= i < len(tokens) else ""
