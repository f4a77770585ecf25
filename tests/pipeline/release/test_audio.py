"""The audio of a data set."""

import hashlib
from pathlib import Path

import pytest

from manifests.audio_uri import AudioUri
from manifests.errors import InputError
from pipeline.release.audio import write_wavs


def test_a_codec_that_this_machine_lacks_is_an_error(tmp_path: Path) -> None:
    """The bytes are those that were labelled elsewhere, but nothing here reads them."""
    data = b"a codec of the future"
    (tmp_path / "a.bin").write_bytes(data)
    (tmp_path / "wav").mkdir()
    uri = str(AudioUri(str(tmp_path / "a.bin"), 0, len(data)))
    row = {"utterance_id": "a", "audio_uri": uri, "audio_sha256": hashlib.sha256(data).hexdigest()}
    with pytest.raises(InputError, match=r"a cannot be decoded here \(.*a\.bin#0\+21: .*\)\. Update soundfile"):
        list(write_wavs(tmp_path, [(1, [row])], lambda done, total: None))
    assert not list((tmp_path / "wav").iterdir())
