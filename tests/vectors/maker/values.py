"""Values of the recipe language: numbers, bytes, and what is relative to the right value."""

import ast
import re


PART = re.compile(r'("(?:[^"\\]|\\.)*")(?:\*(\d+))?|hex:([0-9a-fA-F]*)|zeros:(\S+)')


class RecipeError(Exception):
    pass


def number(text, right=None):
    """12, 0x1f, 0o17, 2^32-1; with a sign in front: relative to the right value."""
    text = text.strip()
    if text[:1] in "+-":
        if right is None:
            raise RecipeError("nothing to be relative to: " + text)
        return right + number(text[1:]) * (-1 if text[0] == "-" else 1)
    if not re.fullmatch(r"[0-9a-fA-Fxo^+\- ]+", text):
        raise RecipeError("not a number: " + text)
    total, sign = 0, 1
    for part in re.split(r"([+-])", text):
        part = part.strip()
        if part in ("+", "-"):
            sign = 1 if part == "+" else -1
            continue
        base, _, power = part.partition("^")
        total += sign * (int(base, 0) ** int(power, 0) if power else int(base, 0))
    return total


def data(text, right=b""):
    """Parts one behind the other: "text" with \\xNN, "text"*N, hex:AABB, zeros:N; or flip: the right
    value with the lowest bit of its first byte changed."""
    if text.strip() == "flip":
        return bytes([right[0] ^ 1]) + right[1:]
    out, at = b"", 0
    for m in PART.finditer(text):
        quoted, times, digits, zeros = m.groups()
        if text[at : m.start()].strip():
            break
        if quoted:
            out += ast.literal_eval("b" + quoted) * int(times or 1)
        else:
            out += bytes.fromhex(digits) if digits is not None else bytes(number(zeros))
        at = m.end()
    if text[at:].strip():
        raise RecipeError("not bytes: " + text)
    return out


def either(text, right):
    """A number or bytes, whichever the right value is."""
    return data(text, right) if isinstance(right, bytes) else number(text, right)
