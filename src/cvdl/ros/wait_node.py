"""Waits until managed nodes are active and, if asked to, recorded.

For a launch file, and as a container's health check:

python3 -m cvdl.ros.wait_node /perception/perception_node --timeout 5
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import monotonic

import rclpy
from lifecycle_msgs.srv import GetState
from rclpy.exceptions import NotInitializedException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from cvdl.ros.interrupts import leave_interrupts_to_rclpy, raise_first_interrupt

__all__ = ["main", "wait_until_active", "wait_until_recorded"]

_POLL_S = 0.1
_WORD_S = 10.0  # between messages about the states
_RECORDER = "rosbag2_recorder"  # node name of `ros2 bag record`; newer ones have a suffix


def main() -> int:
    """Return status 0 once all nodes are active, 1 if that takes too long."""
    parser = argparse.ArgumentParser(description="Waits until managed nodes are active.")
    parser.add_argument("nodes", nargs="+", help="full names, such as /perception/perception_node")
    parser.add_argument("--timeout", type=float, help="seconds; forever if not given")
    parser.add_argument(
        "--recorded",
        action="store_true",
        help="wait also until `ros2 bag record` listens to everything that the nodes publish",
    )
    options = parser.parse_args(remove_ros_args()[1:])
    raise_first_interrupt()
    try:
        rclpy.init()
        leave_interrupts_to_rclpy()
        node = Node("wait_until_active", start_parameter_services=False)
        states = wait_until_active(node, options.nodes, options.timeout)
        if options.recorded:
            wait_until_recorded(node, options.nodes)
    except (KeyboardInterrupt, ExternalShutdownException, NotInitializedException):
        return 1
    if not rclpy.ok():
        return 1
    node.destroy_node()
    rclpy.try_shutdown()
    missing = {name: state for name, state in states.items() if state != "active"}
    for name, state in missing.items():
        print(f"{name} is {state or 'not available'}; expected active")
    return 1 if missing else 0


def wait_until_active(
    node: Node, names: Sequence[str], timeout_s: float | None = None
) -> dict[str, str]:
    """Poll the states of managed nodes until all are active, and print them periodically.

    Args:
        node: node for the calls; it is spun here.
        names: full names of the nodes.
        timeout_s: longest wait, seconds; forever if not given.

    Returns:
        The last known state of each node, such as "inactive"; empty for one that never answered.
    """
    states = dict.fromkeys(names, "")
    clients = {name: node.create_client(GetState, f"{name}/get_state") for name in names}
    deadline = None if timeout_s is None else monotonic() + timeout_s
    due = monotonic() + _WORD_S
    while rclpy.ok() and (deadline is None or monotonic() < deadline):
        for name, client in clients.items():
            if not client.service_is_ready():
                continue
            future = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(node, future, timeout_sec=1.0)
            if future.done():
                states[name] = future.result().current_state.label
        if all(state == "active" for state in states.values()):
            break
        if monotonic() > due:
            due += _WORD_S
            for name, state in states.items():
                if state != "active":
                    print(f"waiting for {name}, which is {state or 'not available'}", flush=True)
        rclpy.spin_once(node, timeout_sec=_POLL_S)
    return states


def wait_until_recorded(node: Node, names: Sequence[str]) -> None:
    """Poll the graph until a recorder listens to some results of each node.

    It subscribes to all topics that it finds at once.

    Args:
        node: node to look from.
        names: full names of the nodes.
    """
    while rclpy.ok() and not all(_is_recorded(node, name) for name in names):
        rclpy.spin_once(node, timeout_sec=_POLL_S)


def _is_recorded(node: Node, name: str) -> bool:
    """Whether a recorder listens to something that a node publishes in its own namespace."""
    namespace, _, own = name.rpartition("/")
    return any(
        listener.node_name.startswith(_RECORDER)
        for topic, _ in node.get_topic_names_and_types()
        if topic.startswith(f"{namespace}/")
        and own in (each.node_name for each in node.get_publishers_info_by_topic(topic))
        for listener in node.get_subscriptions_info_by_topic(topic)
    )


if __name__ == "__main__":
    raise SystemExit(main())
