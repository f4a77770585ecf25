"""When two transcripts count as the same text: equal once case, width, punctuation and spaces are taken away.

The key is computed by DuckDB alone, so that routing over millions of rows and a release over hundreds use one definition.
"""


def text_key_sql(column: str) -> str:
    """A SQL expression for the key of a column of text: its letters and digits, in lower case; null where there are none."""
    # NFKC is not in DuckDB; full-width forms are the part of it that transcripts have.
    wide = "".join(chr(code) for code in range(0xFF10, 0xFF5B) if chr(code).isalnum())
    narrow = "".join(chr(ord(letter) - 0xFEE0) for letter in wide)
    plain = f"lower(translate(nfc_normalize({column}), '{wide}', '{narrow}'))"
    return f"nullif(regexp_replace({plain}, '[^\\p{{L}}\\p{{N}}\\p{{M}}]+', '', 'g'), '')"
