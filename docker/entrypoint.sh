#!/usr/bin/env bash
# Runs a command with ROS 2, cvdl and its virtual environment found.
set -eo pipefail  # not -u: ROS's setup files use variables that may not be set
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/cvdl/install/setup.bash
source /opt/cvdl/venv/bin/activate
exec "$@"
