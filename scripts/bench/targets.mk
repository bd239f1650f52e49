# SPDX-License-Identifier: GPL-2.0
#
# make bench           the benchmark, all of it: some hours
# make bench-quick     the main cases, in five minutes
# make bench-verify    are the goals met, by the results of the last run?
# make bench-selftest  does the benchmark notice when something is wrong?
# make profile         where the time goes, kernel function by kernel function

.PHONY: bench bench-quick bench-verify bench-selftest profile

# make bench BENCH=host measures on this machine's own kernel; it says what it wants to know.
export BENCH CONSENT

bench:
	@scripts/bench/bench.sh full

bench-quick:
	@scripts/bench/bench.sh quick

bench-verify:
	@python3 -B scripts/bench/verify.py build/bench/results.json

bench-selftest:
	@scripts/bench/selftest.sh

profile:
	@scripts/bench/profile.sh
