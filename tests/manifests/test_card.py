"""The data card: what the hub reads, and what people read."""

from pathlib import Path

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData

from manifests.card import data_card, front_matter, plain
from tests.manifests.small_release import SPLITS, about, contents, write_release


def test_a_release_loads_with_its_splits(tmp_path: Path) -> None:
    rows = write_release(tmp_path / "emo-v1")
    loaded = datasets.load_dataset(str(tmp_path / "emo-v1"), cache_dir=str(tmp_path / "cache"))
    assert {split: part.num_rows for split, part in loaded.items()} == {"train": 6, "validation": 3, "test": 3}
    assert [row for split in SPLITS for row in loaded[split]] == rows
    assert loaded["train"].column_names == ["index", "emotion", "wav", "text"]
    detailed = datasets.load_dataset(str(tmp_path / "emo-v1"), "detailed", cache_dir=str(tmp_path / "cache"))
    assert detailed["train"].num_rows == 12


def test_the_hub_understands_the_front_matter() -> None:
    text = data_card(about(title='Emo: "v1" & more'), contents())
    card = DatasetCard(text)
    assert isinstance(card.data, DatasetCardData)
    assert card.data.to_dict() == front_matter(about(title='Emo: "v1" & more'), contents())
    assert card.data.pretty_name == 'Emo: "v1" & more'
    assert (card.data.license, card.data.language) == ("cc-by-nc-4.0", ["en", "zh"])
    assert (card.data.task_categories, card.data.size_categories) == (["audio-classification"], ["n<1K"])


@pytest.mark.parametrize(
    ("licenses", "expected"),
    [
        ({"CC BY 4.0": 2}, {"license": "cc-by-4.0"}),
        ({"CC BY 4.0": 2, "cc-by-4.0": 1}, {"license": "cc-by-4.0"}),
        ({"CC BY 4.0": 2, "CC BY-NC 4.0": 1}, {"license": ["cc-by-4.0", "cc-by-nc-4.0"]}),
        ({"CC BY 4.0": 2, "unknown": 1}, {"license": "other", "license_name": "see-card", "license_link": "README.md"}),
        ({"unknown": 1}, {"license": "other", "license_name": "see-card", "license_link": "README.md"}),
        ({"House rules": 1}, {"license": "other", "license_name": "House rules", "license_link": "README.md"}),
    ],
)
def test_the_licence_is_named_only_where_it_is_known(licenses: dict[str, int], expected: dict[str, object]) -> None:
    found = front_matter(about(licenses=licenses), contents())
    assert {name: value for name, value in found.items() if name.startswith("license")} == expected


@pytest.mark.parametrize(
    ("clips", "size"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (1_400_000, "1M<n<10M"), (71_800_000, "n>10M")],
)
def test_the_size_is_that_of_the_clips(clips: int, size: str) -> None:
    assert front_matter(about(), contents(statuses={"verified": clips}))["size_categories"] == [size]


def test_a_language_that_is_no_code_stays_out_of_the_front_matter() -> None:
    text = data_card(about(languages=("no", "?", "zh")), contents())
    assert yaml.safe_load(text.split("---\n")[1])["language"] == ["no", "zh"]


def test_the_figures_are_told() -> None:
    text = data_card(about(), contents())
    assert "12 clips, 2.00 hours; a clip has 4.2 s on average (0.5 to 30.0 s). They come from 11 recordings." in text
    assert "| en | 0 | 0 | 0 | 1 | 0 | 5 | 0 | 6 |" in text and "| all | 0 | 0 | 0 | 1 | 0 | 11 | 0 | 12 |" in text
    assert "Short of the 6 clips asked for in en: sad 1, happy 5. Nothing was filled up." in text
    assert "| no\\_agreement | no emotion was agreed on | 4 | 0 |" in text
    assert "| control slice | Krippendorff's α | 1,234 | 56 | 0.612 | 0.500 to 0.700 |" in text
    assert "| zh | Cohen's κ | 1 | 1 | not defined | not defined |" in text
    assert "9 of the 12 clips (75%) went to the experts because a model chose them" in text
    assert "On 3 of the clips (25%) two experts differed" in text
    assert "The machine's label was hidden from the experts." in text
    assert "| CC BY-NC 4.0 | https://creativecommons.org/licenses/by-nc/4.0/ | 12 |" in text
    assert "No two splits share a source, speaker, text or audio" in text


def test_what_is_not_known_is_not_said() -> None:
    bare = contents(agreement=[], per_class=None, short={}, splits={}, counts={"en": {"sad": 1}})
    text = data_card(about(citation=None), bare)
    assert (
        "## Citation" not in text
        and "Taking a clip down" not in text
        and "splits" not in text.split("## How")[0].split("---\n")[2]
    )
    assert "Not measured." in text and "Short of" not in text and "\n| all |" not in text
    assert "write to takedown@example.org" in data_card(about(contact="takedown@example.org"), contents())


def test_an_arm_that_showed_the_machine_is_told() -> None:
    assert "Of 3 of the clips (25%) at least one expert saw the machine's label" in data_card(
        about(), contents(machine_shown=3)
    )


def test_text_of_the_data_shows_as_it_is() -> None:
    assert plain("a|b\nc <img src=x onerror=1> *d* [e](f) `g` \x1b[31m &lt;") == (
        "a\\|b c &lt;img src=x onerror=1&gt; \\*d\\* \\[e\\](f) \\`g\\` \\[31m &amp;lt;"
    )
    evil = "x |\n## y <script>alert(1)</script>"
    text = data_card(
        about(title=evil, description=evil, licenses={evil: 1}, contact=evil, citation="a\n````\n<script>\n````"),
        contents(counts={evil: {"sad": 1}, "en": {}}, per_class=2, short={evil: {"sad": 1}}, warnings=[evil]),
    )
    front, body = text.split("---\n")[1:3]
    assert yaml.safe_load(front)["pretty_name"] == evil
    before, _, fenced = body.partition("`````bibtex\n")
    assert "<script>" not in before and "\n## y" not in before and fenced == "a\n````\n<script>\n````\n`````\n"
    table = [line for line in before.splitlines() if line.startswith("| x")]
    assert [line.replace("\\|", "").count("|") for line in table] == [10, 4]
