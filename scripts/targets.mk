# SPDX-License-Identifier: GPL-2.0
#
# Targets that run something: tests, labs, the demonstration.

.PHONY: lint kunit check check-fast check-sanitize check-kernels check-in-tree check-defects lab-clean

lint:
	@scripts/build/lint.sh

kunit:
	@scripts/test/kunit.sh plain debug

check:
	@scripts/test/check.sh

check-fast:
	@scripts/test/check.sh fast

check-sanitize:
	@scripts/test/check.sh sanitize

check-kernels:
	@FULL=1 scripts/test/check.sh guest kernels

# The guest tests against the kernel's own interface: a test of the tests.
check-in-tree:
	@FULL=1 scripts/test/run-guest.sh -i xfrm_interface

# Defects planted on purpose: each must be caught by the test named for it.
check-defects:
	@scripts/test/defects.sh

lab-clean:
	@scripts/lab/clean.sh --stale

-include $(wildcard scripts/*/targets.mk)
