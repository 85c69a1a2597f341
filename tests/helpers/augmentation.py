"""An augmentation that changes nothing but the position of a view."""

from cvdl.training.augment import Augmentation

__all__ = ["UNDISTURBED"]

UNDISTURBED = Augmentation(
    no_color=0,
    no_depth=0,
    color_gain=0,
    color_shift=0,
    channel_gain=0,
    channel_shift=0,
    gray=0,
    color_noise=0,
    relief_noise=0,
)
