"""What can be chosen by its name: models and data sets, of this package and of others.

Each lives in a module or a folder of its own, which registers itself with one declaration. A
declaration defers its imports, so that listing names loads no network. Another package brings its
own with an entry point whose object is a declaration::

    [project.entry-points."cvdl.detectors"]
    my_detector = "my_package:DETECTOR"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules, resolve_name
from typing import Any, Generic, Protocol, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from cvdl.core.errors import InputError
from cvdl.core.extras import require

__all__ = ["Declaration", "Model", "ModelRegistry", "NameIn", "Registry", "deferred"]


class Declaration(Protocol):
    """What a registry holds.

    Attributes:
        name: unique in the registry.
        description: one line.
    """

    @property
    def name(self) -> str:  # noqa: D102
        ...

    @property
    def description(self) -> str:  # noqa: D102
        ...


Declared = TypeVar("Declared", bound=Declaration)


class Registry(Generic[Declared]):
    """Declarations by name; the default is the first, the others are sorted.

    Args:
        kind: what messages call an entry, such as "detector".
        package: the modules and folders in it declare the entries; imported at first use.
        group: of the entry points with which other packages declare theirs.
        default: name of the default entry.
    """

    def __init__(self, kind: str, package: str, group: str, default: str) -> None:
        self.kind, self.default = kind, default
        self._package, self._group = package, group
        self._entries: dict[str, Declared] = {}
        self._is_complete = False

    def register(self, *entries: Declared) -> None:
        """Add declarations; one of an earlier name takes its place."""
        self._entries.update((entry.name, entry) for entry in entries)

    def remove(self, name: str) -> None:
        """Remove the declaration of a name.

        Raises:
            InputError: if there is none; the message lists the names.
        """
        del self._entries[self[name].name]

    def __iter__(self) -> Iterator[Declared]:
        self._complete()
        names = sorted(self._entries, key=lambda name: (name != self.default, name))
        return iter([self._entries[name] for name in names])

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the default first."""
        return tuple(entry.name for entry in self)

    def __getitem__(self, name: str) -> Declared:
        """The declaration of a name.

        Raises:
            InputError: if there is none; the message lists the names.
        """
        return self.among(self, name)

    def among(self, entries: Iterable[Declared], name: str) -> Declared:
        """The declaration of a name, of those that serve a purpose.

        Raises:
            InputError: if none of them has the name; the message lists their names.
        """
        by_name = {entry.name: entry for entry in entries}
        if name not in by_name:
            raise InputError(f"{self.kind} is {name!r}; accepted: {', '.join(by_name)}")
        return by_name[name]

    def _complete(self) -> None:
        if self._is_complete:
            return
        self._is_complete = True  # the modules below import this one
        earlier = dict(self._entries)
        for module in iter_modules(import_module(self._package).__path__):
            import_module(f"{self._package}.{module.name}")
        self._entries |= earlier
        for point in entry_points(group=self._group):
            self.register(point.load())


@dataclass(frozen=True)
class NameIn:
    """Marks a settings field that holds a name of a registry: ``Annotated[str, NameIn(...)]``."""

    registry: Registry[Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.registry.names)}

    def _check(self, name: str) -> str:
        try:
            return self.registry[name].name
        except InputError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class Model:
    """A model that is chosen by its name.

    Attributes:
        name: unique among the models for its task.
        description: one line: what it is and where it was published.
        loader: takes a file of weights, or what else the model is loaded from, and a
            ``torch.device``, or for the engine "onnxruntime" the name of a device; returns the
            model, ready for use.
        trainer: returns a ``cvdl.training.trainer.Trainer``; None for models that cannot be
            trained here.
        exported: takes an ONNX file that ``cvdl export`` wrote; returns the model that ONNX Runtime
            runs. None for models that are not exported.
        engine: what runs the model that the loader returns, "torch" or "onnxruntime".
        weights: the file of weights that comes with the package; None if there is none.
        trained_on: names of data sets that these weights have learned from, at least in part.
    """

    name: str
    description: str
    loader: Callable[[str, Any], Any]
    trainer: Callable[[], Any] | None = None
    exported: Callable[[Path], Any] | None = None
    engine: str = "torch"
    weights: Path | None = None
    trained_on: tuple[str, ...] = ()

    def load(self, weights: str | Path = "", device: str = "auto", engine: str = "auto") -> Any:
        """The model, ready for use.

        Args:
            weights: a file of its weights, or what else it is loaded from; empty: the packaged
                file.
            device: "cpu", "cuda", or "auto": a GPU if there is one.
            engine: "torch", "onnxruntime" or "auto"; see ``cvdl.networks.engine``.

        Raises:
            InputError: if there are no such weights, device or engine, the file holds the weights
                of another model, or PyTorch is needed but not installed.
        """
        if not weights and self.weights is None:
            raise InputError(f"{self.name} has no weights in the package; give a file of them")
        if self.exported is not None:
            from cvdl.networks.engine import exported_file

            file = exported_file(Path(weights or str(self.weights)), device, engine)
            if file is not None:
                return self.exported(file)
        elif engine not in ("auto", self.engine):
            raise InputError(f"engine is {engine!r}; accepted for {self.name}: auto, {self.engine}")
        given = str(weights or self.weights)
        if self.engine == "onnxruntime":
            from cvdl.networks.engine import device_of

            return self.loader(given, device_of(device))
        require("torch", self.name)
        from cvdl.networks.device import pick_device

        return self.loader(given, pick_device(device))


class ModelRegistry(Registry[Model]):
    """Models by name."""

    def declare(
        self,
        package: str,
        description: str,
        loader: str,
        trainer: str = "",
        trained_on: tuple[str, ...] = (),
        exported: str = "",
        engine: str = "torch",
    ) -> None:
        """Register the model of a package that bears its name and may hold its weights.

        Args:
            package: ``__name__`` of the package; its last part is the name of the model. The file
                ``NAME.safetensors`` in it, if there is one, is the packaged weights.
            description: see ``Model``, as for ``trained_on``.
            loader: ``"module:function"`` in the package.
            trainer: the same; empty if the model cannot be trained here.
            exported: the same; empty if it cannot be exported.
            engine: see ``Model``.
        """
        name = package.rpartition(".")[2]
        weights = Path(str(files(package) / f"{name}.safetensors"))

        def optional(reference: str, extra: str = "") -> Callable[..., Any] | None:
            return deferred(f"{package}.{reference}", extra=extra) if reference else None

        self.register(
            Model(
                name,
                description,
                deferred(f"{package}.{loader}"),
                optional(trainer, "train"),
                optional(exported),
                engine,
                weights if weights.is_file() else None,
                trained_on,
            )
        )


def deferred(reference: str, *arguments: Any, extra: str = "") -> Callable[..., Any]:
    """A function that is imported when it is first called.

    Args:
        reference: ``"module:function"`` or ``"module:Class.method"``.
        arguments: its first arguments.
        extra: what its module needs, see ``cvdl.core.extras``; empty: nothing.
    """

    def call(*more: Any) -> Any:
        if extra:
            require(extra, reference.partition(":")[0])
        return resolve_name(reference)(*arguments, *more)

    return call
