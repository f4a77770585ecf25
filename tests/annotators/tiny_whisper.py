"""An untrained Whisper of two layers in CTranslate2's folder format, with the vocabulary of the released multilingual models."""

import json
from pathlib import Path
from typing import Any

_TEXT_TOKENS = 50257
_BYTES, _REAL_TOKENS = 256, 300
LANGUAGES = ("en", "de", "zh")
"""The languages that the network may hear."""

_SENTENCES = ["hello world , how are you today ? ", "nice to see you again , my friend . ", "we went to the sea . "]


def save(folder: Path, seed: int = 0) -> Path:
    """Make the folder: ``model.bin``, ``config.json``, ``vocabulary.json``, ``tokenizer.json``, ``preprocessor_config.json``."""
    import ctranslate2

    source = folder.with_name(folder.name + "-transformers")
    _save_for_transformers(source, seed)
    ctranslate2.converters.TransformersConverter(
        str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]
    ).convert(str(folder))
    return folder


def save_aligner(folder: Path, seed: int = 0) -> Path:
    """An untrained wav2vec2 that scores English letters, as ``transformers`` saves it."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir(parents=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    features = Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16000, do_normalize=True, return_attention_mask=False
    )
    Wav2Vec2Processor(features, Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        Wav2Vec2ForCTC(
            Wav2Vec2Config(
                vocab_size=len(letters),
                hidden_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=64,
                conv_dim=[16] * 7,
                num_conv_pos_embeddings=16,
                num_conv_pos_embedding_groups=4,
            )
        ).save_pretrained(folder)
    return folder


def save_sentence_splitter(folder: Path) -> Path:
    """A Punkt model that knows nothing, where nltk looks for one."""
    model = folder / "tokenizers" / "punkt_tab" / "english"
    model.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "ortho_context.tab", "abbrev_types.txt"):
        (model / name).write_text("")
    return folder


def _tokenizer(path: Path) -> dict[str, int]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    small = Tokenizer(models.BPE())
    small.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    small.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    small.train_from_iterator(_SENTENCES * 20, trainers.BpeTrainer(vocab_size=_REAL_TOKENS, initial_alphabet=alphabet))
    saved = json.loads(small.to_str())
    vocabulary = saved["model"]["vocab"]
    for number in range(len(vocabulary), _TEXT_TOKENS - 1):
        vocabulary[f"Ġunused{number}"] = number
    # CTranslate2 takes a vocabulary without the empty token for that of an English-only model.
    vocabulary[""] = _TEXT_TOKENS - 1
    tokenizer = Tokenizer.from_str(json.dumps(saved))
    questions = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    special = ["endoftext", "startoftranscript", *LANGUAGES, *questions]
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False) for name in special])
    times = [f"<|{n * 0.02:.2f}|>" for n in range(1501)]
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in times])
    tokenizer.save(str(path))
    return {name: tokenizer.token_to_id(f"<|{name}|>") for name in special} | {"": tokenizer.get_vocab_size()}


def _save_for_transformers(folder: Path, seed: int) -> None:
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
    from transformers.models.whisper.tokenization_whisper import LANGUAGES as whisper_languages

    folder.mkdir(parents=True)
    ids = _tokenizer(folder / "tokenizer.json")
    end = ids["endoftext"]
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "model_max_length": 448}
        )
    )
    config = WhisperConfig(
        vocab_size=ids[""],
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_mel_bins=80,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=ids["startoftranscript"],
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(config)
        _tune(model, end, [ids[name] for name in LANGUAGES])
    languages = list(whisper_languages)
    model.generation_config = GenerationConfig(
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=ids["startoftranscript"],
        lang_to_id={f"<|{name}|>": ids[name] for name in languages},
        task_to_id={"transcribe": ids["transcribe"], "translate": ids["translate"]},
        no_timestamps_token_id=ids["notimestamps"],
        is_multilingual=True,
        alignment_heads=[[1, 0], [1, 1]],
        suppress_tokens=[],
        begin_suppress_tokens=[end],
    )
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)


def _tune(model: Any, end: int, languages: list[int]) -> None:
    """Make the untrained network say different things of different clips, and come to an end after some words."""
    import torch

    network = model.model
    with torch.no_grad():
        width = network.decoder.embed_tokens.weight.shape[1]
        tokens, places = network.decoder.embed_tokens.weight, network.decoder.embed_positions.weight
        tokens.mul_(0.01)
        tokens[_BYTES:_REAL_TOKENS].normal_(std=0.6)
        tokens[languages] = torch.randn(len(languages), width)
        places.normal_(std=5.0)
        for linear in (module for module in network.modules() if isinstance(module, torch.nn.Linear)):
            linear.weight.normal_(std=1.5 / width**0.5)
        for convolution in (network.encoder.conv1, network.encoder.conv2):
            convolution.weight.normal_(std=0.3)
        network.encoder.embed_positions.weight.mul_(0.2)
        for layer in network.decoder.layers:
            layer.encoder_attn.q_proj.weight.mul_(2)
            layer.encoder_attn.out_proj.weight.mul_(4)
            layer.fc2.weight.mul_(0.5)
        ending = torch.nn.functional.normalize(torch.randn(width), dim=0)
        tokens[end] = 6.0 * ending
        places += 4.0 * (torch.arange(len(places)) - 10).clamp(0)[:, None] * ending
