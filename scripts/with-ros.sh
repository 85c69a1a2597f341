#!/usr/bin/env bash
# Runs a command with a ROS 2 installation sourced, if there is one for the command's Python.
#
#     scripts/with-ros.sh .venv/bin/python ...
set -eu

# The wheels of ROS 2 put their libraries first, which must not mix with those of an installation.
works() { _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 "$1" -c 'import rclpy.impl.implementation_singleton' 2>/dev/null; }

if [ -z "${AMENT_PREFIX_PATH:-}" ]; then
    for setup in /opt/ros/*/setup.bash; do
        [ -r "$setup" ] || continue
        if (set +u && source "$setup" && works "$1"); then
            set +u
            # shellcheck disable=SC1090 # the path is not constant
            source "$setup"
            set -u
            break
        fi
    done
fi
if [ -n "${AMENT_PREFIX_PATH:-}" ]; then
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
fi
exec "$@"
