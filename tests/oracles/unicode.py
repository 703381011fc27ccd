"""What Python's standard library makes of every assigned character, for core/src/key/index/normalize.rs.

One line a character: its code point, its case folding, its form KC and its decimal digit, as code points in hex.
"""

import sys
import unicodedata


def points(text: str) -> str:
    return ".".join(f"{ord(character):x}" for character in text)


for point in range(sys.maxunicode + 1):
    character = chr(point)
    if unicodedata.category(character) in ("Cn", "Cs"):
        continue
    digit = unicodedata.decimal(character, None)
    shown = "" if digit is None else f"{ord(str(digit)):x}"
    print(f"{point:x} {points(character.casefold())} {points(unicodedata.normalize('NFKC', character))} {shown}")
