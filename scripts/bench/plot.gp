# SPDX-License-Identifier: GPL-2.0
#
# Groups of bars, one for each system: medians, with the quartiles as whiskers.
# plot.sh sets data, file, kind, heading, axis and systems.

if (kind eq 'svg') {
	set terminal svg size 900,420 dynamic background rgb 'white' font 'DejaVu Sans,12'
} else {
	set terminal pngcairo size 1200,560 background rgb 'white' font 'DejaVu Sans,12'
}
set output file
set title heading
set ylabel axis
set yrange [0:*]
set offsets graph 0, 0, graph 0.05, 0
set datafile missing '?'
set style data histogram
set style histogram errorbars gap 1.5 linewidth 1
set style fill solid border rgb 'black'
set boxwidth 0.9
set grid ytics linecolor rgb '#dddddd'
set border 3
set tics nomirror
set key outside right top
set bmargin 4

# The same system has the same colour in every picture, one that the colour-blind
# can tell from the others.
colour(s) = s eq 'plain' ? '#999999' : s eq 'in-tree' ? '#0072b2' : \
	s eq 'in-tree-policy' ? '#56b4e9' : s eq 'pcrypt' ? '#cc79a7' : \
	s eq 'xfrm_accel' ? '#d55e00' : s eq 'xfrm_accel+espnic' ? '#f0e442' : '#009e73'

plot for [i = 1:words(systems)] data every ::1 using (column(3 * i - 1)):(column(3 * i)):(column(3 * i + 1)):xticlabels(1) \
	title word(systems, i) noenhanced linecolor rgb colour(word(systems, i))
