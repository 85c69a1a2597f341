#!/usr/bin/env bash
# Healthy while every node of the perception is active: asks each for its lifecycle state.
#   CVDL_NODES   their full names, for another namespace or composed:=false
set -euo pipefail
read -ra nodes <<< "${CVDL_NODES:-/perception/perception_node}"
exec python3 -m cvdl.ros.wait_node "${nodes[@]}" --timeout 8
