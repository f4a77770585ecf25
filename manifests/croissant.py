"""Croissant 1.0 metadata: what a data set holds, for machines (https://docs.mlcommons.org/croissant/docs/croissant-spec.html)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from manifests.card import HOW_LABELLED, LIMITS
from manifests.publication import Publication, known_license
from manifests.release import COLUMNS, sha256_of

_OWN_WORDS: Final = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format"),
    *("includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex"),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OWN_WORDS},
}
"""The context that the specification gives; validators compare it."""

_MEANING: Final = {
    "index": "The id of the clip.",
    "emotion": "The emotion that the experts heard: one of seven.",
    "wav": "The path of the audio, relative to the folder of the table: 16 kHz, mono, 16 bit.",
    "text": "What is said; empty where there is no transcript.",
}


def croissant(about: Publication, folder: Path, tables: Mapping[str, str]) -> dict[str, Any]:
    """The JSON-LD of a release. It is the same whenever and wherever it is made.

    Parameters
    ----------
    folder : the release, with the tables and ``wav/``
    tables : file in it by name of the record set, such as ``clips`` for the whole and ``train`` for a split
    """
    licenses = [known_license(stated) for stated in about.licenses]
    optional = {
        "datePublished": about.published,
        "citeAs": about.citation,
        "url": about.url,
        "creator": [{"@type": "sc:Organization", "name": name} for name in about.creators] or None,
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": about.description,
        "license": [license.url or license.stated for license in licenses],
        "version": about.version,
        **{name: value for name, value in optional.items() if value is not None},
        "inLanguage": list(about.language_codes),
        "rai:dataAnnotationProtocol": HOW_LABELLED,
        "rai:dataLimitations": list(LIMITS),
        "distribution": [*(_file(folder / name) for name in tables.values()), _WAVS],
        "recordSet": [_records(name, file) for name, file in tables.items()],
    }


_WAVS: Final = {
    "@type": "cr:FileSet",
    "@id": "wav",
    "name": "wav",
    "description": "The audio of the clips: 16 kHz, mono, 16 bit.",
    "encodingFormat": "audio/x-wav",
    "includes": "wav/*.wav",
}


def _file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/jsonlines",
        "sha256": sha256_of(path),
    }


def _records(name: str, file: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/index"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": _MEANING[column],
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
            for column in COLUMNS
        ],
    }
