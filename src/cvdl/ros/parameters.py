"""Settings as ROS parameters: names, types, ranges and descriptions of the pydantic models."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, Field

from cvdl.core.config import load_settings, nested
from cvdl.detection.config import DetectionConfig
from cvdl.grasping.config import GraspConfig
from cvdl.messages.config import NodeConfig
from cvdl.pipeline import PerceptionConfig
from cvdl.recognition.config import RecognitionConfig
from cvdl.segmentation import SegmentationConfig

__all__ = [
    "DetectionNodeConfig",
    "GraspNodeConfig",
    "ParameterSpec",
    "PerceptionNodeConfig",
    "SegmentationNodeConfig",
    "assemble",
    "descriptor",
    "parameters_of",
    "values_of",
]

Model = TypeVar("Model", bound=BaseModel)


class SegmentationNodeConfig(NodeConfig):
    """Parameters of segmentation_node."""

    segmentation: SegmentationConfig = Field(default_factory=SegmentationConfig)


class DetectionNodeConfig(SegmentationNodeConfig):
    """Parameters of detection_node; it segments if no other node does."""

    detector: DetectionConfig = Field(default_factory=DetectionConfig)
    gallery: RecognitionConfig = Field(default_factory=RecognitionConfig)


class GraspNodeConfig(SegmentationNodeConfig):
    """Parameters of grasp_node; it segments if no other node does."""

    grasp: GraspConfig = Field(default_factory=GraspConfig)


class PerceptionNodeConfig(NodeConfig, PerceptionConfig):
    """Parameters of perception_node: all stages."""


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter, from the field of its model.

    Attributes:
        name: name with dots between the levels, such as "segmentation.max_range".
        default: default value; its type is that of the parameter.
        description: description, with the choices if there are any.
        low: smallest value, or None.
        high: largest value, or None.
        live: whether it may be changed while the node is configured.
        is_names: whether it is names in a text, between commas, and a list of texts serves, too.
    """

    name: str
    default: bool | int | float | str | tuple[float, ...]
    description: str
    low: float | None
    high: float | None
    live: bool
    is_names: bool = False


def parameters_of(model: type[BaseModel]) -> list[ParameterSpec]:
    """The parameters of a model and its nested models, in the order of declaration."""
    return list(_specs(model, model(), ""))


def _specs(model: type[BaseModel], values: BaseModel, prefix: str) -> Iterator[ParameterSpec]:
    properties = model.model_json_schema()["properties"]
    for key, field in model.model_fields.items():
        name, value = prefix + key, getattr(values, key)
        if isinstance(value, BaseModel):
            yield from _specs(type(value), value, f"{name}.")
            continue
        schema = properties[key]
        description = field.description or ""
        if "enum" in schema:
            description += f" One of: {', '.join(schema['enum'])}."
        yield ParameterSpec(
            name,
            _plain(value),
            description,
            schema.get("minimum"),
            schema.get("maximum"),
            not schema.get("load_time"),
            schema.get("items", {}).get("type") == "string",
        )


def values_of(settings: BaseModel, prefix: str = "") -> dict[str, Any]:
    """The value of each parameter, by its name."""
    values: dict[str, Any] = {}
    for key in type(settings).model_fields:
        value = getattr(settings, key)
        if isinstance(value, BaseModel):
            values |= values_of(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    """A value as a parameter has it: names are one text, because an empty list has no type."""
    is_names = isinstance(value, tuple) and all(isinstance(each, str) for each in value)
    return ", ".join(value) if is_names else value


def descriptor(spec: ParameterSpec) -> Any:
    """The rcl_interfaces/ParameterDescriptor of a parameter."""
    from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

    described = ParameterDescriptor(name=spec.name, description=spec.description)
    described.dynamic_typing = spec.is_names
    if not spec.live:
        described.additional_constraints = "only while the node is unconfigured"
    if spec.low is not None and spec.high is not None:
        if isinstance(spec.default, int):
            bounds = IntegerRange(from_value=int(spec.low), to_value=int(spec.high))
            described.integer_range = [bounds]
        else:
            bounds = FloatingPointRange(from_value=float(spec.low), to_value=float(spec.high))
            described.floating_point_range = [bounds]
    return described


def assemble(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Build settings from parameters.

    Args:
        model: model of the settings.
        values: values by parameter name; missing ones have their defaults.

    Raises:
        ConfigError: if a value is invalid, or two contradict each other; it names them.
    """
    listed = {name: list(v) if isinstance(v, array) else v for name, v in values.items()}
    return load_settings(model, values=nested(listed))
