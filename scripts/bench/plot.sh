#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# plot.sh DIR - draws DIR/plot/*.dat, which summarise.py made, as SVG and PNG.
set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/../lab/lib.sh"
need_pkgs gnuplot-nox fonts-dejavu-core

for data in "$1"/plot/*.dat; do
	title=$(sed -n 's/^# title: //p' "$data")
	axis=$(sed -n 's/^# axis: //p' "$data")
	systems=$(sed -n '/^group /{s/^group //; s/ low high//g; p; q}' "$data")
	for kind in svg png; do
		gnuplot -e "data='$data'; file='${data%.dat}.$kind'; kind='$kind'; heading='$title'; axis='$axis'; systems='$systems'" \
			"$XA_TOP/scripts/bench/plot.gp"
	done
done
