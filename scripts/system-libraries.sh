#!/bin/sh
# Installs Python's venv module where the distribution has it in a package of its own; with
# "open3d" also the system libraries that Open3D's wheels need but do not contain.
#
#     scripts/system-libraries.sh PYTHON [open3d]
#
# As root on Debian or Ubuntu it installs what is missing; otherwise it prints what to install.
set -eu

python="$1" user="${2:-}"
PATH="$PATH:/usr/sbin:/sbin" # ldconfig is here, also for other users than root

[ "$(uname -s)" = Linux ] || exit 0 # the wheels of other systems contain all libraries

missing="" packages=""
need() { # library, package
    if ! echo "$cache" | grep -qF "$1 "; then
        missing="$missing $1"
        packages="$packages $2"
    fi
}
if [ "$user" = open3d ]; then
    cache="$(ldconfig -p)"
    need libusb-1.0.so.0 libusb-1.0-0
    need libGL.so.1 libgl1
    need libEGL.so.1 libegl1
    need libgomp.so.1 libgomp1
    need libX11.so.6 libx11-6
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    missing="$missing python-venv"
    packages="$packages $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "error: these system libraries are missing; install them with this system's packages:$missing" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "error: system libraries are missing ($(echo $missing)); install them with:" >&2
    echo "    sudo apt-get install$packages" >&2
    exit 1
fi
echo "installing system libraries:$packages"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # one word per package
apt-get install -y -qq --no-install-recommends $packages >/dev/null
