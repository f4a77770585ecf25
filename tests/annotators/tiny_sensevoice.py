"""An untrained SenseVoice of a few layers, saved as the released model is: same files, same vocabulary size, same token ids."""

import json
from pathlib import Path
from typing import Any

VOCABULARY = 25055
TAGS = {
    24884: "zh",
    24885: "en",
    24888: "yue",
    24892: "ja",
    24896: "ko",
    24992: "nospeech",
    24993: "Speech",
    24995: "BGM",
    24997: "Laughter",
    24999: "Applause",
    25001: "HAPPY",
    25002: "SAD",
    25003: "ANGRY",
    25004: "NEUTRAL",
    25005: "FEARFUL",
    25006: "DISGUSTED",
    25007: "SURPRISED",
    25009: "EMO_UNKNOWN",
    25016: "withitn",
    25017: "woitn",
}
_VOCABULARY_FILE = "chn_jpn_yue_eng_ko_spectok.bpe.model"
_FEATURES = 560  # 7 stacked frames of 80 mel bands
_WORDS = [
    "hello world how are you today",
    "nice to see you again my friend",
    "今天天气很好我们出去走走吧",
    "大家早上好欢迎来到这里",
]


def _config() -> dict[str, Any]:
    return {
        "model": "SenseVoiceSmall",
        "model_conf": {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1},
        "encoder": "SenseVoiceEncoderSmall",
        "encoder_conf": {
            "output_size": 32,
            "attention_heads": 2,
            "linear_units": 64,
            "num_blocks": 2,
            "tp_blocks": 1,
            "dropout_rate": 0.1,
            "positional_dropout_rate": 0.1,
            "attention_dropout_rate": 0.1,
            "input_layer": "pe",
            "pos_enc_class": "SinusoidalPositionEncoder",
            "normalize_before": True,
            "kernel_size": 11,
            "sanm_shfit": 0,
            "selfattention_layer_type": "sanm",
        },
        "tokenizer": "SentencepiecesTokenizer",
        "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>", "split_with_space": True},
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16000,
            "window": "hamming",
            "n_mels": 80,
            "frame_length": 25,
            "frame_shift": 10,
            "lfr_m": 7,
            "lfr_n": 6,
            "cmvn_file": None,
        },
    }


def save(folder: Path, seed: int = 0) -> Path:
    """Make the folder; its network answers the four questions with tags, and frames with word pieces or blanks."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    pieces = _save_vocabulary(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(_config()))
    _save_normalization(folder / "am.mvn")
    (folder / "configuration.json").write_text(
        json.dumps(
            {
                "framework": "pytorch",
                "task": "auto-speech-recognition",
                "model": {"type": "funasr"},
                "pipeline": {"type": "funasr-pipeline"},
                "file_path_metas": {
                    "init_param": "model.pt",
                    "config": "config.yaml",
                    "tokenizer_conf": {"bpemodel": _VOCABULARY_FILE},
                    "frontend_conf": {"cmvn_file": "am.mvn"},
                },
            }
        )
    )
    _save_weights(folder / "model.pt", pieces, seed)
    return folder


def _save_vocabulary(folder: Path) -> int:
    """Write the SentencePiece model; gives the number of its real word pieces, which have the lowest ids."""
    import io

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_WORDS * 30),
        model_writer=trained,
        vocab_size=80,
        model_type="unigram",
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(trained.getvalue())
    real = len(model.pieces)
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece
    for number in range(real, VOCABULARY):
        tag = TAGS.get(number)
        piece = model.pieces.add()
        piece.piece = f"<|{tag}|>" if tag else f"<unused {number}>"
        piece.score = -100.0
        piece.type = kinds.USER_DEFINED if tag else kinds.NORMAL
    model.trainer_spec.vocab_size = VOCABULARY
    (folder / _VOCABULARY_FILE).write_bytes(model.SerializeToString())
    return real


def _save_normalization(path: Path) -> None:
    """Kaldi's text form: a shift and a scale for each feature; these bring log-mel energies near unit variance."""
    shift, scale = (" ".join([value] * _FEATURES) for value in ("-10.0", "0.2"))
    size = f"{_FEATURES} {_FEATURES}"
    path.write_text(
        f"<Nnet> \n<Splice> {size} \n[ 0 ]\n<AddShift> {size} \n<LearnRateCoef> 0 [ {shift} ]\n"
        f"<Rescale> {size} \n<LearnRateCoef> 0 [ {scale} ]\n</Nnet> \n"
    )


def _save_weights(path: Path, pieces: int, seed: int) -> None:
    import torch
    from funasr.models.sense_voice.model import SenseVoiceSmall

    config = _config()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SenseVoiceSmall(
            encoder=config["encoder"],
            encoder_conf=config["encoder_conf"],
            input_size=_FEATURES,
            vocab_size=VOCABULARY,
            **config["model_conf"],
        )
        output = network.ctc.ctc_lo
        with torch.no_grad():
            # Untrained scores are nearly even over 25,055 tokens; these make tags and word pieces win, by what is heard.
            output.weight.mul_(0.1)
            output.bias.fill_(-8.0)
            for number in (0, *range(3, pieces), *TAGS):
                output.weight[number].normal_(std=0.3)
                output.bias[number] = 0.0
    torch.save(network.state_dict(), path)
