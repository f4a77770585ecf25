"""Which licences may be handed on together."""

import pytest

from pipeline.release.licences import MixedLicenses, check_licenses


def test_one_known_licence() -> None:
    assert check_licenses(["CC BY 4.0"] * 3, allow_mixed=False) == {"CC BY 4.0": 3}


@pytest.mark.parametrize(
    ("licenses", "message"),
    [
        (["CC BY 4.0", "CC BY-NC 4.0", "CC BY 4.0"], r"several licences: CC BY 4.0 \(2 clips\), CC BY-NC 4.0 \(1 clip"),
        (["CC BY 4.0", None], "given one licence: 1 of 2 clips state no licence. State"),
        ([None, None], "2 of 2 clips state no licence"),
        (["a", "b", None], r"several licences: a \(1 clips\), b \(1 clips\); 1 of 3 clips state no licence"),
    ],
    ids=["two", "one and none", "none", "two and none"],
)
def test_others_are_refused_unless_asked_for(licenses: list[str | None], message: str) -> None:
    with pytest.raises(MixedLicenses, match=message) as raised:
        check_licenses(licenses, allow_mixed=False)
    assert "--allow-mixed-licenses" in str(raised.value)
    assert sum(check_licenses(licenses, allow_mixed=True).values()) == len(licenses)


def test_unknown_is_counted_as_such() -> None:
    assert check_licenses([None, "a", "a"], allow_mixed=True) == {"a": 2, "unknown": 1}
