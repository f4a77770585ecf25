"""Where a network runs."""

from manifests.errors import ConfigError


def chosen_device(key: str, asked: str) -> str:
    """Name of a device of torch: ``auto`` is the GPU where torch sees one.

    Parameters
    ----------
    key : of the setting, for the message

    Raises
    ------
    ConfigError : a GPU is asked for and torch sees none, or there is no such device
    """
    import torch

    if asked == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError:
        raise ConfigError(f"{key}: '{asked}' is no device of torch. Use 'auto', 'cpu', 'cuda' or 'cuda:1'") from None
    # Some libraries would go on with the CPU and say nothing.
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"{key}: '{asked}', but torch sees no GPU here. Use 'auto' or 'cpu'")
    return asked
