"""Texts as words: folded so that case, accents, width and punctuation do not count.

>>> fold("Ceramics, CAFÉ!")
' ceramics cafe '
>>> fold("muted") in fold("The word is MÜTED.")
True

Scripts that are written without spaces (Chinese, Japanese, Thai and others) fold to single letters, so that a
muted word is found inside a sentence:

>>> fold("猫が好き")
' 猫 か 好 き '

So do emoji, so that they can be muted:

>>> fold("Goal!⚽⚽")
' goal ⚽ ⚽ '
"""

import re
import unicodedata

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_PICTURES = "\u2600-\u27bf\U0001f000-\U0001faff"
_GAP = re.compile(f"(?:[^\\w{_PICTURES}]|_)+")
_SINGLE = re.compile(f"([{_UNSPACED}{_PICTURES}])")


def fold(text: str) -> str:
    """The text's words in folded form, each with one space around it; a space alone when there are none.

    Letters are decomposed (NFKD), marks and invisible formatting letters dropped, case folded (Unicode
    Standard, 3.13 and annex 15).
    """
    if text.isascii():
        return f" {_GAP.sub(' ', text.lower()).strip()} "
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c)[0] != "M")
    visible = "".join(c for c in bare if unicodedata.category(c) != "Cf").casefold()
    spaced = _SINGLE.sub(r" \1 ", visible)
    return f" {_GAP.sub(' ', spaced).strip()} "


def primary_language(tag: str) -> str:
    """The primary language of a BCP 47 tag; "und" (undetermined) for an empty one.

    >>> primary_language("pt-BR"), primary_language("")
    ('pt', 'und')
    """
    return tag.partition("-")[0].lower() or "und"
