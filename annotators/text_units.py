"""How much is spoken in a text: the count behind a speaking rate when the input gives no phones.

One unit per language, so that rates of one language can be compared with each other. Rates of different units cannot.
"""

import re
import unicodedata

_CHARACTER_LANGUAGES = frozenset({"zh", "cmn", "yue", "wuu", "ja", "ko"})
# Latin alphabets in which a run of vowel letters is close to a syllable.
_SYLLABLE_LANGUAGES = frozenset(
    {
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "ca",
        "ro",
        "pl",
        "cs",
        "sk",
        "sl",
        "hr",
        "hu",
        "fi",
        "et",
        "sv",
        "da",
        "no",
    }
)

# Kana and their long mark, bopomofo, Han with its extensions, 々 and 〇, Hangul syllables: about a syllable each.
_CHARACTER = "[々〇ぁ-ゖァ-ヺーㄅ-ㄯ㐀-䶿一-鿿가-힣豈-\ufaff\U00020000-\U0003ffff]"
_TOKEN = re.compile(rf"(?P<character>{_CHARACTER})|(?P<digits>\d+)|(?P<word>(?:(?!{_CHARACTER})[^\W\d_]|['’](?=\w))+)")
# In decomposed text. Umlaut, circumflex and tilde stay within a run (Häuser, maître, não); an acute or grave ends it,
# for it mostly says that the next vowel is spoken apart (théâtre, día).
_VOWELS = re.compile("(?:[aeiouyæœøı][\u0302-\u036f]*)+")


def speech_units(text: str, language: str | None) -> tuple[int, str]:
    """Count what is spoken in a text.

    Parameters
    ----------
    text : as transcribed; punctuation, symbols and spaces are not counted
    language : code such as "en", "zh", "zh-CN"; None where unknown

    Returns
    -------
    The count, 0 if nothing is spoken, and the unit, which depends on the language alone:

    - "characters" (Chinese, Japanese, Korean): each character is one; a Latin word in between counts its syllables
    - "syllables" (languages of the Latin alphabet): runs of vowel letters, at least one per word, without the silent
      endings of English and French. An estimate: diphthongs over two runs and hiatus within one are not told apart
    - "letters" (all others, and unknown): each letter is one

    Digits are taken as read out: n digits in a row count ``3 * n // 2`` characters or syllables ("24", twenty-four,
    is 3), or five letters each.
    """
    code = re.split("[-_]", language.strip().lower())[0] if language else ""
    if code in _CHARACTER_LANGUAGES:
        unit = "characters"
    elif code in _SYLLABLE_LANGUAGES:
        unit = "syllables"
    else:
        unit = "letters"
    count = 0
    # NFKC: one letter is one character however it was typed, and full-width forms are plain letters and digits.
    for token in _TOKEN.finditer(unicodedata.normalize("NFKC", text)):
        word = token.group()
        if token.lastgroup == "character":
            count += 1
        elif token.lastgroup == "digits":
            count += 5 * len(word) if unit == "letters" else 3 * len(word) // 2
        elif unit == "letters":
            count += sum(map(str.isalpha, word))
        else:
            count += _syllables(word, code)
    return count, unit


def _syllables(word: str, code: str) -> int:
    """Runs of vowel letters of one word, at least one."""
    plain = unicodedata.normalize("NFD", re.sub("['’]", "", word.lower()))
    silent = (code == "en" and _silent_in_english(plain)) or (code == "fr" and bool(re.search("[^aeiouy]es?$", plain)))
    return max(1, len(_VOWELS.findall(plain)) - silent)


def _silent_in_english(word: str) -> bool:
    """Whether the last written vowel is not spoken: make, names, walked; but little, boxes, wanted."""
    if word.endswith("e"):
        return re.search("[^aeiouy]e$", word) is not None and re.search("[^aeiouylr]le$", word) is None
    if word.endswith("ed"):
        return re.search("[^aeiouytd]ed$", word) is not None
    return re.search("([^aeiouyszxcgh]|[^cs]h)es$", word) is not None and re.search("[^aeiouylr]les$", word) is None
