"""What bad input raises."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Input that cannot be used: a file, a topic, a setting.

    The message is for the person who gave it: the name, the value found and the values
    accepted. The command line prints it without a traceback.
    """
