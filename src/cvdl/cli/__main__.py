"""``python -m cvdl.cli``: the command ``cvdl``."""

from cvdl.cli import main

main()
