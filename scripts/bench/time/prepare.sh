#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# prepare.sh FILE - compiles wire.c, so that it runs on any machine.
set -euo pipefail
exec gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -Werror -static \
	-o "${1:?usage: prepare.sh FILE}" "$(dirname "$0")/wire.c"
