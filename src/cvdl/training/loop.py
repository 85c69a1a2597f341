"""The training loop that most models share.

The random numbers of an epoch depend only on the seed of the run and the number of the epoch. A
run that is killed and resumed gives the same weights as an uninterrupted one, on the CPU to the
bit; not with a budget of time, which ends epochs where it has to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cvdl.core.settings import Settings, setting
from cvdl.networks.device import computes_bfloat16, pick_device
from cvdl.networks.weights import load_weights, save_weights
from cvdl.training.checkpoint import (
    Run,
    TrainingError,
    load_checkpoint,
    prepare_run,
    save_checkpoint,
)
from cvdl.training.history import SCORE, History
from cvdl.training.progress import epoch_bar, summary_writer
from cvdl.training.schedule import Schedule
from cvdl.training.task import Task

__all__ = ["TrainingSettings", "fit", "loop_settings"]

_DRAW_EVERY = 10.0  # seconds; epochs of small models are shorter than drawing the curves


class TrainingSettings(Settings):
    """Settings of the training loop."""

    epochs: int = setting(50, "Largest number of epochs.", ge=1)
    cpu_minutes: float = setting(
        0.0,
        "CPU time to train for, of all cores together, without validation: other load on the "
        "machine does not shorten the training. The schedule of the epochs is stretched over it, "
        "and an epoch ends early after its share of the time; 0: the epochs decide.",
        ge=0,
    )
    batch_size: int = setting(16, "Samples per step.", ge=1)
    optimizer: Literal["sgd", "adam", "adamw"] = setting("adamw", "Optimizer.")
    learning_rate: float = setting(1e-3, "Highest learning rate of the schedule.", gt=0)
    momentum: float = setting(0.9, "Momentum of sgd.", ge=0, lt=1)
    weight_decay: float = setting(0.0, "Weight decay; biases and norms have none.", ge=0)
    schedule: Literal["constant", "cosine", "step"] = setting(
        "cosine",
        "Learning rate over time; cosine: down to 0; step: a tenth after half of the "
        "epochs, a hundredth after three quarters.",
    )
    warmup: float = setting(0.0, "Epochs in which the learning rate rises from 0.", ge=0)
    patience: int = setting(
        0, "Stop after this many epochs without a better validation score; 0: never.", ge=0
    )
    clip: float = setting(0.0, "Largest norm of the gradient; 0: no limit.", ge=0)
    mixed_precision: bool = setting(
        False, "bfloat16 where it is safe, on devices that compute it: faster."
    )
    seed: int = setting(0, "The same seed gives the same result.", ge=0)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "Device; auto: a GPU if there is one.")

    def rate(self, progress: float) -> float:
        """The learning rate after ``progress`` epochs."""
        share = min(progress / self.epochs, 1.0)
        factor = {
            "constant": 1.0,
            "cosine": (1 + math.cos(math.pi * share)) / 2,
            "step": 1.0 if share < 0.5 else 0.1 if share < 0.75 else 0.01,
        }[self.schedule]
        rising = min(progress / self.warmup, 1.0) if self.warmup else 1.0
        return self.learning_rate * factor * rising


def loop_settings(**values: Any) -> Any:
    """The field ``training`` in the settings of a model, with the model's defaults.

    Gradients are clipped at 5 and bfloat16 is used unless the values say otherwise.
    """
    values = {"clip": 5, "mixed_precision": True, **values}
    return Field(TrainingSettings(**values), description="Settings of the training loop.")


def fit(task: Task, settings: TrainingSettings, run: Run) -> History:
    """Train a model and leave it in its best state.

    The folder gets ``best.safetensors`` (the last state with the highest validation score; without
    a score the last state; metadata ``model``: name of the class, ``epoch``, ``score``),
    ``last.pt`` (the checkpoint for resuming), ``history.json``, ``curves.png``, ``run.json`` (the
    settings) and ``tensorboard``. Every file is complete at any time the run is killed.

    Args:
        task: what is trained; training starts from the weights of its model (seed torch before
            the model is created).
        settings: how it is trained.
        run: its folder, and where progress is shown.

    Raises:
        InputError: if the folder or the device cannot be used, the checkpoint is damaged, there is
            nothing to train on, or the loss is not finite.
    """
    device = pick_device(settings.device)
    out = run.out
    prepare_run(out, settings.model_dump(exclude={"device"}), run.resume)
    # Convolutions are fastest with channels last, on CPU and GPU.
    model = task.model.to(device).to(memory_format=torch.channels_last)
    optimizer = _optimizer(model, settings)
    history = History()
    last, best = out / "last.pt", out / "best.safetensors"
    name = type(model).__name__
    if last.exists():
        checkpoint = load_checkpoint(last)
        try:
            model.load_state_dict(checkpoint["model"])
            optimizer.load_state_dict(checkpoint["optimizer"])
            history.epochs = checkpoint["epochs"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(f"{last}: not a checkpoint of this model ({error})") from error
    schedule = Schedule(settings.epochs, 60 * settings.cpu_minutes, history.epochs)
    drawn = perf_counter()
    with (
        epoch_bar(run.console, settings.epochs) as show,
        summary_writer(out, len(history.epochs)) as writer,
    ):
        while not (schedule.is_complete or 0 < settings.patience <= history.waited):
            epoch = len(history.epochs)
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                figures = _run_epoch(task, optimizer, settings, epoch, device, schedule, show)
            history.epochs.append(figures)
            if history.best_epoch == epoch:
                metadata = {"model": name, "epoch": str(epoch)}
                if SCORE in figures:
                    metadata["score"] = f"{figures[SCORE]:.6g}"
                save_weights(best, model.state_dict(), metadata)
            states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(last, {**states, "epochs": history.epochs})
            history.write(out / "history.json")
            for figure, value in figures.items():
                writer.add_scalar(figure, value, epoch)
            if perf_counter() - drawn > _DRAW_EVERY:
                history.draw(out / "curves.png")
                drawn = perf_counter()
    history.draw(out / "curves.png")
    state, _ = load_weights(best, name, model.state_dict())
    model.load_state_dict(state)
    model.eval()
    return history


def _run_epoch(
    task: Task,
    optimizer: torch.optim.Optimizer,
    settings: TrainingSettings,
    epoch: int,
    device: torch.device,
    schedule: Schedule,
    show: Callable[[float, str | None], None],
) -> dict[str, float]:
    start = perf_counter()
    schedule.start_epoch()
    # Other numbers for each epoch and seed, without a state in the checkpoint.
    seed = (settings.seed * 1_000_003 + epoch) % 2**63
    torch.manual_seed(seed)
    batches = task.batches(epoch, torch.Generator().manual_seed(seed))
    steps = len(batches)
    mixed = settings.mixed_precision and computes_bfloat16(device)
    sums: dict[str, Tensor] = {}
    model, count, rate = task.model.train(), 0, 0.0
    for batch in batches:
        if batch is None:
            continue
        rate = settings.rate(schedule.progress((count + 0.5) / steps))  # in the middle of the step
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            losses = task.loss(_to(batch, device))
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        if settings.clip:
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        for name, value in losses.items():
            # Summed on the device: reading the value would make the CPU wait for the GPU.
            sums[name] = sums.get(name, 0) + value.detach().float()
        count += 1
        show(schedule.progress(count / steps), None)
        if schedule.ends_epoch:
            break
    seconds = schedule.end_epoch()
    if not count:
        raise TrainingError("nothing to train on: the first epoch has no batch")
    means = {f"train/{name}": float(value) / count for name, value in sums.items()}
    if not math.isfinite(means["train/loss"]):
        raise TrainingError(
            f"the loss is {means['train/loss']} in epoch {epoch}: "
            f"learning_rate {settings.learning_rate:g} is too high, or the data holds a NaN"
        )
    model.eval()
    with torch.no_grad():
        validation = task.validate()
    figures = {
        "learning_rate": rate,
        "seconds": perf_counter() - start,
        "cpu_seconds": seconds,
        "steps": count,
        **means,
    }
    figures |= {
        f"validation/{name}": float(value)
        for name, value in validation.items()
        if not math.isnan(value)
    }
    show(schedule.done, _summary(figures))
    return figures


def _optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": some, "weight_decay": decay}
        for some, decay in ((weights, settings.weight_decay), (others, 0.0))
        if some
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, settings.learning_rate, settings.momentum)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, settings.learning_rate)


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: _to(value, device) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):  # a NamedTuple
        return type(batch)(*(_to(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return [_to(value, device) for value in batch]
    return batch


def _summary(figures: dict[str, float]) -> str:
    score = f", score {figures[SCORE]:.4g}" if SCORE in figures else ""
    return f"loss {figures['train/loss']:.4g}{score}"
