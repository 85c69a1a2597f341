"""Runs a node in its process, until Ctrl-C."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import rclpy
import rclpy.logging
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from yaml import YAMLError

from cvdl.core import parameter_file
from cvdl.ros.base_node import BaseNode
from cvdl.ros.interrupts import ignore_interrupts, leave_interrupts_to_rclpy, raise_first_interrupt

__all__ = ["run"]


class _ToRos(logging.Handler):
    """Forwards the log of the package to that of the node."""

    def __init__(self, logger: Callable[[], Any]) -> None:
        super().__init__()
        self._get_logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Forward a record with its level."""
        text, logger = self.format(record), self._get_logger()
        if record.levelno >= logging.ERROR:
            logger.error(text)
        elif record.levelno >= logging.WARNING:
            logger.warning(text)
        elif record.levelno >= logging.INFO:
            logger.info(text)
        else:
            logger.debug(text)


def run(make: Callable[[], BaseNode], args: Sequence[str] | None = None, must: bool = False) -> int:
    """Run a node until Ctrl-C or a shutdown, which end the process with status 0.

    Args:
        make: creates the node.
        args: command line with ``--ros-args``; that of the process if not given.
        must: whether a node that cannot be configured ends the process with status 1; otherwise it
            stays unconfigured until its parameters are corrected.

    Returns:
        Status 1 if ROS rejects the command line, or the node cannot be created or, with ``must``,
        not configured.
    """
    raise_first_interrupt()
    try:
        rclpy.init(
            args=None if args is None else list(args),
            signal_handler_options=SignalHandlerOptions.ALL,
        )
        # From here on an interrupt shuts ROS down, as SIGTERM does. An exception could surface
        # between two steps of rclpy, and the node could then not be destroyed.
        leave_interrupts_to_rclpy()
    except KeyboardInterrupt:
        return 0
    except Exception as error:  # RCLError is no public name
        reason, *_ = str(error).split(", at /")  # where in ROS's sources
        if "log directory" in reason:
            why = f"ROS cannot write its log: {reason}; set ROS_LOG_DIR to use another folder"
        else:
            why = f"ROS rejects the command line: {reason}"
        print(f"error: {why}", file=sys.stderr)
        return 1
    node: BaseNode | None = None
    executor: SingleThreadedExecutor | None = None
    handler: logging.Handler | None = None
    log = logging.getLogger("cvdl")
    before = log.propagate, log.level
    try:
        # First: where a shutdown interrupts its making, it leaves a traceback.
        executor = SingleThreadedExecutor()
        node = make()
        handler = _ToRos(node.get_logger)
        log.addHandler(handler)
        log.propagate = False
        log.setLevel(logging.DEBUG)  # ROS filters by --log-level
        _warn_of_unread(sys.argv if args is None else args, node.get_fully_qualified_name())
        if node.get_parameter("autostart").value:
            success = TransitionCallbackReturn.SUCCESS
            started = node.trigger_configure() == success and node.trigger_activate() == success
            if not started and rclpy.ok():
                if must:
                    return 1
                name = node.get_fully_qualified_name()
                node.get_logger().warning(
                    f"{name} is unconfigured: fix its parameters, then run `ros2 lifecycle set "
                    f"{name} configure`, and the same with `activate`"
                )
        executor.add_node(node)
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception as error:
        # After a shutdown ROS creates nothing and publishes no transitions.
        if rclpy.ok():
            if node is not None:
                raise
            rclpy.logging.get_logger("cvdl").fatal(f"the node cannot be created: {error}")
            return 1
    finally:
        ignore_interrupts()
        executor = None  # it holds the node
        if node is not None:
            node.destroy_node()
            node = None
        if handler is not None:
            log.removeHandler(handler)
            log.propagate = before[0]
            log.setLevel(before[1])
        rclpy.try_shutdown()
    # Everything is closed. Python's own exit takes seconds on a busy machine because of torch, and
    # aborts the process if a stage is still in compiled code.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _warn_of_unread(args: Sequence[str], name: str) -> None:
    """Warn of each parameter file on the command line without a section for the node."""
    for option, value in pairwise(args):
        if option == "--params-file":
            with suppress(OSError, ValueError, YAMLError):  # ROS has read it
                sections = parameter_file.sections(Path(value).read_text(encoding="utf-8"))
                if sections:
                    parameter_file.warn_of_unread(Path(value), sections, name)
