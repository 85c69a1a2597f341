from pathlib import Path

import pytest

from cvdl.core.errors import InputError
from cvdl.core.files import keep_outputs, write_atomically


def test_one_file_for_two_outputs_is_an_error(tmp_path):
    keep_outputs([tmp_path / "a", None, None, tmp_path / "b"], overwrite=False)
    with pytest.raises(InputError, match="a is given for two outputs"):
        keep_outputs([tmp_path / "a", tmp_path / "b", Path(tmp_path, "a")], overwrite=True)


def test_a_place_where_no_file_can_be_made_is_an_error_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match=r"b\.mp4 cannot be written: .*a is a file, not a folder"):
        keep_outputs([tmp_path / "a" / "new" / "b.mp4"], overwrite=True)
    keep_outputs([tmp_path / "new" / "deep" / "b.mp4"], overwrite=False)
    monkeypatch.setattr("os.access", lambda folder, _: folder != tmp_path)
    with pytest.raises(InputError, match=r"b\.mp4 cannot be written: no permission"):
        keep_outputs([tmp_path / "new" / "b.mp4"], overwrite=False)


def test_a_full_disk_is_an_error_that_names_the_file_and_keeps_the_old_one(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    write_atomically(file, b"old")

    def write(self, content):
        with self.open("wb") as opened:
            opened.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match=r"a\.json"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
