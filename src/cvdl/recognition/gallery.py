"""The gallery: a folder with the views of each taught thing, which people can look at.

Below the folder is one for each name, with

- a PNG of each view, so that the folder shows what is known; a view whose picture is deleted is
  forgotten;
- ``embeddings.safetensors``: the vectors of the views, and their numbers;
- ``gallery.json``: which embedding they are of, and of each view its number, when it was taught,
  from what, and the size of the thing.

A view is in the gallery once ``gallery.json`` lists it, which is written last and at once. So a
process that is killed at any moment leaves the gallery as it was or as it was to be, and others
may read at the same time. Those who write take turns.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from cvdl.core.errors import InputError
from cvdl.core.files import write_atomically
from cvdl.recognition.embedding import Embeddings
from cvdl.recognition.views import View

__all__ = [
    "Gallery",
    "GalleryError",
    "Taught",
    "checked_name",
    "default_folder",
    "read_picture",
]

_ABOUT, _VECTORS = "gallery.json", "embeddings.safetensors"
_FORMAT = 1
_NUMBERS = "view"  # the tensor with the numbers of the views
_LOCK = ".lock"
_PATIENCE_S = 5.0  # a view is written in milliseconds
_LONGEST = 64  # characters of a name
_LONGEST_BYTES = 240  # of a name; file systems allow 255, and files being written have more
_NO_NAMES = ("object", "unknown", "grasp")  # have a meaning of their own in messages
# Separators of paths and lists; characters that nobody sees, of which some turn the text around it;
# lone surrogates, which stand for bytes that are no text.
_FORBIDDEN = re.compile(
    r'[/\\:*?"<>|,\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]'
)


class GalleryError(InputError):
    """Raised where a gallery or a name cannot be used."""


@dataclass(frozen=True)
class Taught:
    """What is known about one name.

    Attributes:
        name: the name.
        kind: name of the kind of embedding.
        pictures: files of the views' pictures.
        embeddings: of the N views.
        sizes: (N, 3) extents of the thing in each view, meters; NaN where unknown.
        sources: where each view comes from.
        times: when each was taught, ISO 8601.
    """

    name: str
    kind: str
    pictures: tuple[Path, ...]
    embeddings: Embeddings
    sizes: NDArray[np.float64]
    sources: tuple[str, ...]
    times: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.embeddings)


def default_folder() -> Path:
    """The gallery of this user, below ``$XDG_DATA_HOME`` or ``~/.local/share``."""
    data = os.environ.get("XDG_DATA_HOME", "")
    # A relative path is invalid, and to be ignored, by the XDG Base Directory Specification.
    above = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"
    return above / "cvdl" / "gallery"


def checked_name(name: str) -> str:
    """Return a name as it is kept: without spaces around it, its Unicode composed.

    Raises:
        GalleryError: if it cannot be the name of a folder on every system, or has a meaning of
            its own in the messages.
    """
    kept = unicodedata.normalize("NFC", name.strip())
    problem = ""
    if not kept:
        problem = "it is empty"
    elif len(kept) > _LONGEST:
        problem = f"it has {len(kept)} characters; accepted: at most {_LONGEST}"
    elif found := _FORBIDDEN.search(kept):  # before it is encoded
        problem = f"it contains {found[0]!r}"
    elif (size := len(kept.encode())) > _LONGEST_BYTES:
        problem = f"it has {size} bytes in UTF-8; accepted: at most {_LONGEST_BYTES}"
    elif kept[0] in ".-*" or kept[-1] == ".":
        problem = f"it begins with {kept[0]!r}" if kept[0] in ".-*" else "it ends with '.'"
    elif kept.casefold() in _NO_NAMES:
        problem = f"results use it for something else; so they do {', '.join(_NO_NAMES)}"
    if problem:
        raise GalleryError(f"{name!r} cannot be the name of a thing: {problem}")
    return kept


class Gallery:
    """The names in a folder, and their views.

    Args:
        folder: the folder; it need not exist. It is made when something is taught.
        embedding: name of the kind of embedding to read and to add; any if not given, as to list,
            rename and forget names.

    Raises:
        GalleryError: if the folder is something else than a gallery.
    """

    def __init__(self, folder: Path, embedding: str | None = None) -> None:
        self.folder, self.embedding = Path(folder), embedding
        self._check()

    # Reading ------------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """The names, sorted; no file is read."""
        return tuple(sorted(name for name, _ in self._abouts()))

    def state(self) -> tuple[tuple[Any, ...], ...]:
        """What differs whenever names or views have changed: rows that begin with a name; fast."""
        found = []
        for name, status in self._abouts():
            try:
                # The folder's own time tells of deleted pictures.
                folder_ns = os.stat(os.path.join(self.folder, name)).st_mtime_ns
            except FileNotFoundError:  # forgotten at this moment
                continue
            found.append((name, status.st_ino, folder_ns, status.st_mtime_ns))
        return tuple(sorted(found))

    def read(
        self,
        names: Iterable[str] | None = None,
        report: Callable[[str, GalleryError], None] | None = None,
    ) -> dict[str, Taught]:
        """Read what is known, by name.

        Args:
            names: of the gallery; all if not given.
            report: is told which name cannot be used, and why; it is left out.

        Raises:
            GalleryError: without ``report``, if a file is damaged, or of another embedding.
        """
        found = {}
        for name in self.names() if names is None else names:
            try:
                taught = self._read(name)
            except GalleryError as error:
                if report is None:
                    raise
                report(name, error)
                continue
            if taught:  # neither None nor without views
                found[name] = taught
        return found

    def __getitem__(self, name: str) -> Taught:
        """Read what is known about one name.

        Raises:
            GalleryError: if it is not in the gallery, or see `read`.
        """
        taught = self._read(self._known(name))
        if taught is None:
            raise GalleryError(self._unknown(name))
        return taught

    def checked(self, name: str) -> str:
        """Return a name as it is kept, if views of it can be added.

        Raises:
            GalleryError: if it is no name for a thing, differs from a name of the gallery only in
                its case, or what is known of it is damaged or of another embedding; also if a
                folder with this name holds something else.
        """
        name = checked_name(name)
        self._check_case(name)
        folder = self.folder / name
        if self._read(name) is None and _is_foreign(folder):
            raise GalleryError(
                f"{folder} holds something else than views of a thing: there is no {_ABOUT}; "
                "move it elsewhere"
            )
        return name

    # Writing ------------------------------------------------------------------------------------

    def add(self, name: str, views: Sequence[View]) -> int:
        """Add views to a name, a new one or one of the gallery; returns its number of views.

        Raises:
            GalleryError: see `checked`; also if others write all the time.
            OSError: if a file cannot be written, as on a full disk; nothing is added then.
        """
        if self.embedding is None:
            raise ValueError("a gallery without a kind of embedding cannot be added to")
        with self._writing():
            return self._add(self.checked(name), views, self.embedding)

    def merge(self, name: str, into: str) -> int:
        """Give the views of a name to another; returns that one's number of views.

        Raises:
            GalleryError, OSError: as `add`; also if one of the two is not in the gallery.
        """
        with self._writing(name, into):
            name, into = self._known(name), self._known(into)
            if name == into:
                raise GalleryError(f"{name!r} cannot be merged into itself")
            taught, kind = self[name], self[into].kind
            if taught.kind != kind:
                raise GalleryError(
                    f"{name!r} is of the embedding {taught.kind!r}, {into!r} of {kind!r}: they "
                    "cannot be merged"
                )
            views = [
                View(
                    read_picture(taught.pictures[row]),
                    taught.embeddings[row : row + 1],
                    taught.sizes[row],
                    taught.sources[row],
                    taught=taught.times[row],
                )
                for row in range(len(taught))
            ]
            count = self._add(into, views, kind)
            self._remove(name)
            return count

    def rename(self, name: str, new: str) -> None:
        """Rename a thing.

        Raises:
            GalleryError: if the one is not in the gallery, or the other is or is no name.
            OSError: if the folder cannot be renamed.
        """
        new = checked_name(new)
        with self._writing(name):
            name = self._known(name)
            if new in self.names():
                raise GalleryError(f"{new!r} is in the gallery already; merge the two instead")
            self._check_case(new, but=name)
            os.rename(self.folder / name, self.folder / new)

    def forget(self, name: str) -> None:
        """Remove a name and its views.

        Raises:
            GalleryError: if it is not in the gallery.
            OSError: if it cannot be removed.
        """
        with self._writing(name):
            self._remove(self._known(name))

    # Inside -------------------------------------------------------------------------------------

    def _abouts(self) -> Iterator[tuple[str, os.stat_result]]:
        """Each name, with the status of the file that makes a folder a name.

        This is done for each frame: strings are many times as fast as paths.
        """
        try:
            entries = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in entries:
            if name.startswith(".") or not _is_text(name):
                continue
            try:
                status = os.stat(os.path.join(self.folder, name, _ABOUT))
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISREG(status.st_mode):
                yield name, status

    def _check(self) -> None:
        if not self.folder.exists():
            return
        if not self.folder.is_dir():
            raise GalleryError(f"{self.folder} is a file; expected the folder of a gallery")
        content = sorted(e.name for e in os.scandir(self.folder) if not e.name.startswith("."))
        # Names may come and go meanwhile, but only below a lock.
        if content and not (self.folder / _LOCK).exists() and not any(True for _ in self._abouts()):
            some = ", ".join(content[:3]) + (", ..." if len(content) > 3 else "")
            raise GalleryError(
                f"{self.folder} is no gallery: it holds {some}; expected an empty folder, or "
                f"one with a folder for each name and {_ABOUT} in it"
            )

    def _known(self, name: str) -> str:
        kept = unicodedata.normalize("NFC", name.strip())
        if kept not in self.names():
            raise GalleryError(self._unknown(name))
        return kept

    def _unknown(self, name: str) -> str:
        return f"{name!r} is not in {self.folder}; known: {', '.join(self.names()) or 'nothing'}"

    def _check_case(self, name: str, but: str = "") -> None:
        """Some file systems do not tell names by their case, and few people do."""
        for other in self.names():
            if other not in (name, but) and other.casefold() == name.casefold():
                raise GalleryError(f"{name!r} differs from {other!r} only in case; use {other!r}")

    def _read(self, name: str) -> Taught | None:
        """None if it is not in the gallery."""
        files = self._files(name)
        if files is None:
            return None
        folder = self.folder / name
        about, vectors, there = files
        kind, listed = self._listed(about, folder / _ABOUT)
        listed = [view for view in listed if _picture_name(view["view"]) in there]
        rows, embeddings = _unpacked(vectors, folder / _VECTORS)
        try:
            numbers = [view["view"] for view in listed]
            row_of = {int(number): row for row, number in enumerate(rows)}
            order = np.array([row_of[number] for number in numbers], np.intp)
            return Taught(
                name,
                kind,
                tuple(folder / _picture_name(number) for number in numbers),
                embeddings[order],
                np.array([view["size"] or [np.nan] * 3 for view in listed], np.float64).reshape(
                    -1, 3
                ),
                tuple(str(view["source"]) for view in listed),
                tuple(str(view["taught"]) for view in listed),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise GalleryError(
                f"{folder}: damaged: {_ABOUT} and {_VECTORS} do not fit; forget {name!r}, "
                "teach it again"
            ) from error

    def _files(self, name: str) -> tuple[bytes, bytes, set[str]] | None:
        """The files of one name as they were at one moment, and the names of all; None if none.

        The name can be forgotten, renamed or taught anew by others between two files.
        """
        folder = self.folder / name
        while True:
            missing = None
            try:
                with open(folder / _ABOUT, "rb") as opened:  # no other file has its inode then
                    about = opened.read()  # first: what it lists is written before it
                    try:
                        vectors = (folder / _VECTORS).read_bytes()
                        there = set(os.listdir(folder))
                    except FileNotFoundError as error:
                        missing = error
                    if not _is_still(opened, folder / _ABOUT):
                        continue
            except (FileNotFoundError, NotADirectoryError):
                return None
            if missing is None:
                return about, vectors, there
            raise GalleryError(
                f"{missing.filename}: missing; forget {name!r}, teach it again"
            ) from missing

    def _listed(self, content: bytes, path: Path) -> tuple[str, list[dict[str, Any]]]:
        """The kind of embedding, and the views that ``gallery.json`` lists."""
        try:
            about = json.loads(content)
            kind, number, listed = about["embedding"], about["format"], list(about["views"])
            for view in listed:
                _picture_name(view["view"])
        except (ValueError, TypeError, KeyError) as error:
            raise GalleryError(f"{path}: damaged, or not of a gallery ({error!r})") from error
        if number != _FORMAT:
            raise GalleryError(f"{path}: format {number}; this version reads {_FORMAT}")
        if self.embedding not in (kind, None):
            raise GalleryError(
                f"{path}: its views are of the embedding {kind!r}, which cannot be compared "
                f"with {self.embedding!r}: forget {path.parent.name!r}, teach it again"
            )
        return str(kind), listed

    def _add(self, name: str, views: Sequence[View], kind: str) -> int:
        for part in self.folder.glob(".*.part"):  # of a process that was killed
            shutil.rmtree(part)
        before = self._read(name) if name in self.names() else None
        folder = self.folder / name
        place = self.folder / f".{name}.part" if before is None else folder
        numbers, listed, parts = list[int](), list[dict[str, Any]](), list[Embeddings]()
        if before is not None:
            numbers, parts = [int(path.stem) for path in before.pictures], [before.embeddings]
            _, about = self._listed((folder / _ABOUT).read_bytes(), folder / _ABOUT)
            listed = [view for view in about if view["view"] in numbers]
        first = max(numbers, default=0) + 1
        added = list(range(first, first + len(views)))
        embeddings = Embeddings.joined([*parts, *(view.embedding for view in views)])
        try:
            for number, view in zip(added, views, strict=True):
                write_atomically(place / _picture_name(number), _png(view.picture))
            write_atomically(place / _VECTORS, _packed([*numbers, *added], embeddings))
            listed += [_described(number, view) for number, view in zip(added, views, strict=True)]
            content = {"format": _FORMAT, "embedding": kind, "views": listed}
            text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
            write_atomically(place / _ABOUT, f"{text}\n".encode())
        except OSError:
            if before is None:
                shutil.rmtree(place, ignore_errors=True)
            else:
                for number in added:
                    (place / _picture_name(number)).unlink(missing_ok=True)
            raise
        if before is None:
            os.rename(place, folder)
        return len(numbers) + len(added)

    def _remove(self, name: str) -> None:
        gone = self.folder / f".{name}.part"
        shutil.rmtree(gone, ignore_errors=True)
        os.rename(self.folder / name, gone)  # at once for those who read
        shutil.rmtree(gone)

    @contextmanager
    def _writing(self, *names: str) -> Iterator[None]:
        """Keep other processes and threads from writing.

        Args:
            names: what must be known. No folder is made for a mistyped one.
        """
        import fcntl  # not on Windows, where a gallery can only be read

        for name in names:
            self._known(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check()
        with open(self.folder / _LOCK, "ab") as file:
            end = time.monotonic() + _PATIENCE_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > end:
                        raise GalleryError(
                            f"{self.folder} is being written by another process; try again"
                        ) from error
                    time.sleep(0.02)
            yield  # closing the file ends the lock


def _is_text(name: str) -> bool:
    """Whether the name of a file is text; Python makes lone surrogates of other bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_foreign(folder: Path) -> bool:
    """Whether a folder holds something, but no views of a thing."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return bool(names) and _ABOUT not in names


def _is_still(opened: BinaryIO, path: Path) -> bool:
    """Whether a path leads to the same file as when it was opened."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _picture_name(number: int) -> str:
    return f"{number:04d}.png"


def _png(picture: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read the picture of a view, (h, w, 3) uint8 RGB.

    Raises:
        GalleryError: if it is damaged.
        OSError: if it is missing.
    """
    data = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None:
        raise GalleryError(f"{path}: damaged, or no picture")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _described(number: int, view: View) -> dict[str, Any]:
    size = [round(float(value), 4) for value in view.size]
    return {
        "view": number,
        "size": size if np.isfinite(view.size).all() else None,
        "source": view.source,
        "taught": view.taught,
    }


def _packed(numbers: Sequence[int], embeddings: Embeddings) -> bytes:
    tensors: dict[str, NDArray[Any]] = {_NUMBERS: np.array(numbers, np.int64)}
    for column in fields(embeddings):
        tensors[column.name] = np.ascontiguousarray(getattr(embeddings, column.name))
    return bytes(save(tensors))


def _unpacked(content: bytes, path: Path) -> tuple[NDArray[np.int64], Embeddings]:
    """The numbers and embeddings of the views, in any order."""
    try:
        tensors: Mapping[str, NDArray[Any]] = load(content)
        numbers = tensors[_NUMBERS]
        found = Embeddings(**{each.name: tensors[each.name] for each in fields(Embeddings)})
        if any(len(getattr(found, each.name)) != len(numbers) for each in fields(found)):
            raise ValueError("columns differ in length")
    except (SafetensorError, KeyError, ValueError) as error:
        raise GalleryError(f"{path}: damaged, or of another embedding ({error})") from error
    return numbers, found
