# SPDX-License-Identifier: GPL-2.0
#
# make                 xfrm_accel.ko for the installed kernel headers
# make KDIR=DIR        ... for the kernel headers or build tree in DIR
# make install         install it under /lib/modules/.../updates
# make demo            watch encrypted traffic through it on a stock kernel
# make check           all tests;  make check-fast: in two minutes
# make help            the rest

# The running kernel's headers, or else the newest that are installed.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -dv /lib/modules/*/build 2>/dev/null | tail -n 1))
KREL := $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h 2>/dev/null)

# The sources are mirrored into a directory for each kernel and built there,
# so that one tree serves many kernels at once.
BUILD ?= build/$(KREL)$(if $(XFRM_ACCEL_KUNIT),-kunit)
BUILD_ABS := $(abspath $(BUILD))
PROBES := $(BUILD)/xfrm_accel_probes.h

# For the probes: what else was said on the command line that decides how a
# compiler is called.
build_args = $(foreach v,ARCH CROSS_COMPILE CC LLVM,$(if $($(v)),\
	$(if $(filter command% environment%,$(origin $(v))),$(v)=$($(v)))))

.PHONY: all module sources clean help

all: module plugin
	@cp $(BUILD)/xfrm_accel.ko xfrm_accel.ko

module: sources $(PROBES)
	@$(MAKE) --no-print-directory -C $(KDIR) M=$(BUILD_ABS) \
		$(if $(XFRM_ACCEL_KUNIT),XFRM_ACCEL_KUNIT=$(XFRM_ACCEL_KUNIT)) modules

sources:
	@test -n "$(KREL)" || { \
		echo "no kernel headers found: apt install linux-headers-amd64," \
		     "or give KDIR=" >&2; exit 1; }
	@mkdir -p $(BUILD)
	@cp -au Kbuild kernel uapi kunit $(BUILD)/

$(PROBES): scripts/build/probe.sh $(KDIR)/include/generated/autoconf.h | sources
	@echo "  PROBE   $(KREL)"
	@scripts/build/probe.sh $@ $(KDIR) $(build_args)
	@touch $@

clean:
	rm -rf build xfrm_accel.ko

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile scripts/targets.mk scripts/*/targets.mk

include scripts/targets.mk
