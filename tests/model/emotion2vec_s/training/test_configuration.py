from pathlib import Path

import pytest

from manifests.errors import ConfigError
from model.emotion2vec_s.training.configuration import load_config


def test_the_papers_values_are_the_defaults() -> None:
    config = load_config(None, [])
    assert (config.optimizer.learning_rate, config.optimizer.weight_decay, config.optimizer.warmup_share) == (
        7.5e-5,
        1e-2,
        0.05,
    )
    assert config.accumulation == 2
    weights = config.pretraining
    assert (weights.frame_weight, weights.utterance_weight, weights.category_weight) == (1, 0.1, 100)


def test_file_then_settings_then_init(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text("data: {batch_s: 60, labelled_share: 0.3}\nnetwork: {layerdrop: 0.0}\n")
    config = load_config(str(path), ["data.batch_s=90", "log.to=[tensorboard]"], "some/folder")
    assert (config.data.batch_s, config.data.labelled_share) == (90, 0.3)
    assert config.log.to == ("tensorboard",)
    assert config.init == "some/folder"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optimizer.lr=1", "optimizer.lr: unknown key"),
        ("pretraining.mask=1", "pretraining.mask: unknown key"),
        ("network.widht=1", "network.widht: unknown key"),
        ("network.hidden_size=wide", "network.hidden_size: Input should be a valid integer"),
        ("network.hidden_size=97", "network.num_heads is 12, which does not divide hidden_size, 97"),
        ('network.hidden_size="96"', "network.hidden_size: Input should be a valid integer"),
        ("network.decoder_groups=7", "network.decoder_groups is 7, which does not divide hidden_size, 768"),
        ("network.num_alibi_heads=3", "network.num_alibi_heads is 3"),
        ("network.num_heads=0", "network.num_heads is 0; a network needs 1 or more"),
        ("network.prenet_depth=-1", "network.prenet_depth is -1, not a number from 0 to"),
        ("network.depth=1000", "network.depth is 1000; more than 256 layers are not believed"),
        ("network.norm_eps=.nan", "network.norm_eps is nan"),
        ("network.conv_layers=[]", "network.conv_layers has 0 convolutions"),
        ("network.conv_layers=[[32, 10]]", "network.conv_layers has [32, 10], which is not (channels, kernel, stride)"),
        ("network.conv_layers=[[32, 2, 3]]", "network.conv_layers has [32, 2, 3]; channels and stride are 1 or more"),
        ("network.encoder_dropout=2", "network.encoder_dropout is 2.0, not a number from 0 to 1"),
        ("network.num_extra_tokens=0", "network.num_extra_tokens is 0; a network needs 1 or more"),
        (
            "network.learned_alibi_scale=per-head",
            "network.learned_alibi_scale is 'per-head', none of none, shared, per_head",
        ),
        ("network.labels=[a]", "network.labels: unknown key"),
        ("data.batch_s=0", "data.batch_s: Input should be greater than 0"),
        ("data.balance=fair", "data.balance"),
        ("data.max_duration_s=0.2", "min_duration_s must be below max_duration_s"),
        ("log.to=[wandb]", r"log.to.0"),
        ("precision=int8", "precision"),
        ("steps", "write it as key=value"),
        ("data=[", "the value is not YAML"),
    ],
)
def test_what_is_wrong_is_named(setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(None, [setting])
    assert said in str(error.value)


def test_weights_to_start_from_decide_the_shape() -> None:
    with pytest.raises(ConfigError, match="the weights of init decide the shape"):
        load_config(None, ["network.depth=3"], "some/folder")


def test_logs_and_checkpoints_are_no_part_of_the_identity() -> None:
    plain = load_config(None, [])
    watched = load_config(None, ["log.to=[mlflow]", "checkpoints.every=7"])
    assert plain.identity() == watched.identity()
    assert plain.identity() != load_config(None, ["seed=1"]).identity()
