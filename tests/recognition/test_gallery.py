"""The folder of taught things: what is kept of them, and what happens to it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import threading
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest

from cvdl.core.files import write_atomically
from cvdl.recognition import gallery as module
from cvdl.recognition.gallery import Gallery, GalleryError, checked_name, default_folder
from cvdl.recognition.sheet import gallery_sheet, size_in_words

from .conftest import view


@pytest.fixture
def gallery(tmp_path):
    made = Gallery(tmp_path / "gallery", "kind")
    made.add("mug", [view(1, 0, shade=10), view(1, 0.2, shade=20)])
    made.add("can", [view(0, 1, source="camera")])
    return made


def shades(taught):
    return [int(cv2.imread(str(path))[0, 0, 0]) for path in taught.pictures]


# --- What is kept -------------------------------------------------------------------------------


def test_what_is_added_is_read(gallery):
    known = Gallery(gallery.folder, "kind").read()
    assert list(known) == ["can", "mug"] == list(gallery.names())
    mug, can = known["mug"], known["can"]
    np.testing.assert_allclose(mug.embeddings.features[0], [1, 0])
    assert mug.embeddings.features.shape == (2, 2)
    assert mug.embeddings.colors.dtype == np.float32
    np.testing.assert_allclose(mug.sizes, [[0.1, 0.08, 0.02]] * 2)
    assert can.sources == ("camera",)
    assert can.kind == "kind"
    assert can.times[0].startswith("20")
    assert shades(mug) == [10, 20]


def test_the_folder_can_be_looked_at(gallery):
    files = {path.name for path in (gallery.folder / "mug").iterdir()}
    assert files == {"0001.png", "0002.png", "embeddings.safetensors", "gallery.json"}
    about = json.loads((gallery.folder / "mug" / "gallery.json").read_text())
    assert about["embedding"] == "kind"
    assert about["views"][0]["source"] == "a bag"
    assert about["views"][1]["size"] == [0.1, 0.08, 0.02]


def test_views_are_added_to_a_name(gallery):
    assert gallery.add("mug", [view(1, 0.4, shade=30)]) == 3
    mug = gallery["mug"]
    assert shades(mug) == [10, 20, 30]
    np.testing.assert_allclose(mug.embeddings.features[2], np.array([1, 0.4]) / np.hypot(1, 0.4))


def test_sizes_that_are_not_known(gallery):
    plain = view(1, 1)
    plain.size[:] = np.nan
    gallery.add("photo", [plain])
    assert np.isnan(gallery["photo"].sizes).all()
    assert size_in_words(gallery["photo"]) == ""
    assert size_in_words(gallery["mug"]) == "10 x 8 x 2 cm"


def test_a_view_without_its_picture_is_forgotten(gallery):
    state = gallery.state()
    (gallery.folder / "mug" / "0001.png").unlink()
    assert gallery.state() != state
    assert shades(gallery["mug"]) == [20]
    np.testing.assert_allclose(gallery["mug"].embeddings.features[0, 1], 0.2 / np.hypot(1, 0.2))
    gallery.add("mug", [view(0, 1, shade=30)])
    assert shades(gallery["mug"]) == [20, 30]
    for picture in (gallery.folder / "mug").glob("*.png"):
        picture.unlink()
    assert list(gallery.read()) == ["can"]


def test_merge_rename_and_forget(gallery):
    assert gallery.merge("can", "mug") == 3
    assert gallery.names() == ("mug",)
    assert gallery["mug"].sources == ("a bag", "a bag", "camera")
    assert shades(gallery["mug"]) == [10, 20, 100]
    gallery.rename("mug", "cup")
    assert list(gallery.read()) == ["cup"]
    gallery.rename("cup", "Cup")  # only the case
    gallery.forget("Cup")
    assert gallery.read() == {}
    assert Gallery(gallery.folder).names() == ()  # still a gallery


def test_the_state_changes_with_every_change(gallery):
    states = [gallery.state()]
    for change in (
        lambda: gallery.add("mug", [view(1, 1)]),
        lambda: gallery.rename("mug", "cup"),
        lambda: gallery.merge("can", "cup"),
        lambda: gallery.forget("cup"),
    ):
        change()
        states.append(gallery.state())
    assert len(set(states)) == 5
    assert states[-1] == ()


def test_the_sheet_shows_every_name(gallery):
    sheet = gallery_sheet(gallery.read())
    assert sheet.shape[1] > 2 * 128
    assert sheet.shape[0] > 2 * 128
    with pytest.raises(GalleryError, match="empty"):
        gallery_sheet({})


def test_the_default_folder_is_that_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "cvdl" / "gallery"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_folder() == Path.home() / ".local/share/cvdl/gallery"


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a/b", "contains '/'"),
        ("..", "begins with '.'"),
        ("-x", "begins with '-'"),
        ("a,b", "contains ','"),
        ("a\nb", r"contains '\\n'"),
        ("x" * 65, "65 characters"),
        ("dot.", "ends with"),
        ("\N{GRINNING FACE}" * 64, "256 bytes"),
        ("a\x85b", "contains"),
        ("a\u202eb", "contains"),
        ("caf\udce9", "contains"),  # bytes of another encoding, on which OpenCV crashes
        ("Object", "something else"),
        ("unknown", "something else"),
    ],
)
def test_names_that_are_no_folder(gallery, name, why):
    with pytest.raises(GalleryError, match=why):
        gallery.add(name, [view(1, 0)])
    assert gallery.names() == ("can", "mug")


def test_names_of_people_are_accepted():
    assert checked_name("  my mug ") == "my mug"
    assert checked_name("Ta\u0308sse") == "T\xe4sse"
    for name in ("чашка", "杯子", "می\u200cخورم", "a'b; 100% #1"):
        assert checked_name(name) == name


def test_what_is_no_name_is_not_replaced(gallery):
    """A folder of a user's photographs, say."""
    photograph = gallery.folder / "cup" / "IMG_1.jpg"
    photograph.parent.mkdir()
    gallery.add("cup", [view(1, 0)])  # an empty folder is no loss
    gallery.forget("cup")
    photograph.parent.mkdir()
    photograph.touch()
    with pytest.raises(GalleryError, match="cup holds something else"):
        gallery.add("cup", [view(1, 0)])
    assert photograph.exists()


def test_a_folder_whose_name_is_no_text_is_passed_over(gallery):
    try:
        shutil.copytree(gallery.folder / "mug", gallery.folder / os.fsdecode(b"caf\xe9"))
    except OSError:
        pytest.skip("this file system takes names of text only")
    assert gallery.names() == ("can", "mug")


def test_a_name_that_differs_only_in_case(gallery):
    with pytest.raises(GalleryError, match="'Mug' differs from 'mug' only in case"):
        gallery.add("Mug", [view(1, 0)])
    with pytest.raises(GalleryError, match="only in case"):
        gallery.rename("can", "MUG")


def test_equal_names_are_merged_only_when_asked(gallery):
    with pytest.raises(GalleryError, match="'mug' is in the gallery already; merge"):
        gallery.rename("can", "mug")
    with pytest.raises(GalleryError, match="into itself"):
        gallery.merge("mug", "mug")


def test_unknown_names_list_the_known_ones(gallery):
    for change in (gallery.forget, gallery.__getitem__, lambda name: gallery.rename(name, "x")):
        with pytest.raises(GalleryError, match=r"'cup' is not in .*; known: can, mug"):
            change("cup")


def test_views_of_another_embedding_are_refused(gallery):
    other = Gallery(gallery.folder, "other")
    for use in (other.read, lambda: other.add("mug", [view(1, 0)]), lambda: other.checked("can")):
        with pytest.raises(GalleryError, match=r"'kind', which cannot be compared with 'other'"):
            use()
    other.add("new", [view(1, 0)])
    with pytest.raises(GalleryError, match=r"cannot be\s+merged"):
        Gallery(gallery.folder).merge("new", "mug")
    assert Gallery(gallery.folder).read().keys() == {"can", "mug", "new"}  # listed all the same


def test_a_folder_that_is_no_gallery(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(GalleryError, match=r"is no gallery: it holds photo\.jpg"):
        Gallery(tmp_path)
    with pytest.raises(GalleryError, match="is a file"):
        Gallery(tmp_path / "photo.jpg")
    assert Gallery(tmp_path / "missing").read() == {}
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("name", ["gallery.json", "embeddings.safetensors"])
def test_damaged_files_are_named(gallery, name):
    path = gallery.folder / "mug" / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(GalleryError, match=rf"mug/{name}: damaged"):
        gallery.read()
    if name == "embeddings.safetensors":
        path.unlink()
        with pytest.raises(GalleryError, match=r"missing; forget 'mug'"):
            gallery.read()
    gallery.forget("mug")
    assert list(gallery.read()) == ["can"]


@pytest.mark.parametrize("views", [3, ["0001"], [{"view": "x"}], [{"size": None}]])
def test_lists_of_something_else_are_damaged(gallery, views):
    path = gallery.folder / "mug" / "gallery.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "views": views}))
    with pytest.raises(GalleryError, match=r"mug/gallery\.json: damaged"):
        gallery.read()


def test_an_empty_picture_is_named(gallery):
    gallery["mug"].pictures[0].write_bytes(b"")
    with pytest.raises(GalleryError, match=r"0001\.png: damaged, or no picture"):
        gallery_sheet(gallery.read())
    with pytest.raises(GalleryError, match=r"0001\.png: damaged, or no picture"):
        gallery.merge("mug", "can")


def test_a_later_format_is_refused(gallery):
    path = gallery.folder / "mug" / "gallery.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(GalleryError, match="format 2; this version reads 1"):
        gallery.read()


# --- Others, kills, full disks ------------------------------------------------------------------


def test_a_gallery_that_others_write_all_the_time(gallery, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    with gallery._writing(), pytest.raises(GalleryError, match="is being written by another"):
        Gallery(gallery.folder, "kind").add("mug", [view(1, 0)])
    gallery.add("mug", [view(1, 0)])


def test_two_writers_lose_nothing(gallery):
    def write(shade):
        for _ in range(5):
            Gallery(gallery.folder, "kind").add("mug", [view(1, 0, shade=shade)])

    threads = [threading.Thread(target=write, args=(shade,)) for shade in (50, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = shades(gallery["mug"])
    assert (len(found), found.count(50), found.count(60)) == (12, 5, 5)


def test_a_full_disk_leaves_what_was_there(gallery, monkeypatch):
    before = {path: path.read_bytes() for path in gallery.folder.rglob("*") if path.is_file()}

    def full(path, content):
        if path.suffix != ".png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_atomically(path, content)

    monkeypatch.setattr(module, "write_atomically", full)
    for name in ("mug", "new"):
        with pytest.raises(OSError, match="No space left"):
            gallery.add(name, [view(0.5, 0.5)])
    assert {p: p.read_bytes() for p in gallery.folder.rglob("*") if p.is_file()} == before


def changed_until_killed(folder, at):
    """Change a gallery in a child, which is killed before its step with this number.

    Returns:
        Whether it came to the end.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        steps = count(1)

        def step(function):
            def counted(*arguments, **keywords):
                if next(steps) == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **keywords)

            return counted

        patch = pytest.MonkeyPatch()
        patch.setattr(module, "write_atomically", step(write_atomically))
        patch.setattr(os, "rename", step(os.rename))
        patch.setattr(shutil, "rmtree", step(shutil.rmtree))
        gallery = Gallery(folder, "kind")
        gallery.add("mug", [view(0, 1, shade=30)])
        gallery.add("new", [view(0.5, 0.5, shade=40)])
        gallery.forget("can")
        os._exit(0)
    finally:
        os._exit(1)


def test_a_gallery_survives_a_kill_at_any_step(gallery, tmp_path):
    """Each name is as before the change or as after it, and everything can go on."""
    for at in count(1):
        copy = tmp_path / f"copy{at}"
        shutil.copytree(gallery.folder, copy)
        has_ended = changed_until_killed(copy, at)
        known = Gallery(copy, "kind").read()
        assert shades(known["mug"]) in ([10, 20], [10, 20, 30])
        assert shades(known["new"]) == [40] if "new" in known else True
        assert shades(known["can"]) == [100] if "can" in known else "new" in known
        Gallery(copy, "kind").add("mug", [view(1, 1, shade=50)])
        Gallery(copy, "kind").add("new", [view(1, 1, shade=60)])
        again = Gallery(copy, "kind").read()
        assert shades(again["mug"])[-1] == 50
        assert shades(again["new"])[-1] == 60
        assert not list(copy.glob(".*.part"))
        if has_ended:
            break
    assert at > 8
    assert (len(known["mug"]), len(known["new"]), "can" in known) == (3, 1, False)


def test_readers_see_whole_views_while_another_writes(gallery):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            gallery.add("new", [view(0.1, 0.9, shade=7)])
            gallery.add("new", [view(0.2, 0.8, shade=8)])
            gallery.rename("new", "newer")
            gallery.forget("newer")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = set()
        for _ in range(5000):
            reader = Gallery(gallery.folder, "kind")
            known = reader.read()
            assert len(known["mug"]) == 2
            assert reader.checked("newer") == "newer"
            reader.state()
            counts.update(len(known[name]) for name in known.keys() - {"mug", "can"})
            if counts == {1, 2}:
                break
    finally:
        stop.set()
        thread.join()
    assert counts == {1, 2}


def test_a_name_that_is_taught_anew_while_it_is_read_is_read_whole(gallery, monkeypatch):
    opened = open

    def forgotten_after_opening(*arguments):
        file = opened(*arguments)
        monkeypatch.setattr("builtins.open", opened)
        gallery.forget("mug")
        gallery.add("mug", [view(0.3, 0.7, shade=9)])
        return file

    monkeypatch.setattr("builtins.open", forgotten_after_opening)
    assert len(Gallery(gallery.folder, "kind")["mug"]) == 1


def test_a_gallery_whose_only_name_is_just_being_forgotten_is_a_gallery(tmp_path, monkeypatch):
    gallery = Gallery(tmp_path / "gallery", "kind")
    gallery.add("mug", [view(0.3, 0.7)])
    monkeypatch.setattr(Gallery, "_abouts", lambda self: iter(()))  # gone since it was listed
    assert Gallery(gallery.folder, "kind").names() == ()


def test_a_mistyped_folder_is_not_made(tmp_path):
    gallery = Gallery(tmp_path / "galery")
    for change in (
        lambda: gallery.forget("mug"),
        lambda: gallery.rename("mug", "cup"),
        lambda: gallery.merge("mug", "cup"),
    ):
        with pytest.raises(GalleryError, match="'mug' is not in"):
            change()
    assert not gallery.folder.exists()
