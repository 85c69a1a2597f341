from pathlib import Path

import pytest

from cvdl.errors import InputError
from cvdl.outputs import keep_outputs


def test_one_file_for_two_outputs_is_refused(tmp_path):
    keep_outputs([tmp_path / "a", None, None, tmp_path / "b"], overwrite=False)
    with pytest.raises(InputError, match="a is named for two outputs"):
        keep_outputs([tmp_path / "a", tmp_path / "b", Path(tmp_path, "a")], overwrite=True)
