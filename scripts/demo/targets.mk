# SPDX-License-Identifier: GPL-2.0
#
# make demo-selftest   does the demonstration notice when something is wrong?

.PHONY: demo demo-selftest

demo:
	@scripts/demo/demo.sh

demo-selftest:
	@scripts/demo/selftest.sh
