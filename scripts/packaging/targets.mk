# SPDX-License-Identifier: GPL-2.0
#
# make uninstall       undo make install
# make dkms            let dkms build and install it, for this kernel and later ones
# make dkms-remove     undo make dkms
# make install-test    try all of that: in a staging directory, on a stock kernel, with dkms

.PHONY: install uninstall dkms dkms-source dkms-remove install-test

VERSION := $(shell sed -n 's/^XFRM_ACCEL_VERSION := //p' Kbuild)
DKMS_TREE := $(DESTDIR)/usr/src/xfrm_accel-$(VERSION)
# For the test: where dkms keeps things, and for which kernel it builds.
DKMS ?= dkms
DKMS_KERNEL ?=

install: module plugin
	@scripts/packaging/install.sh $(BUILD)/xfrm_accel.ko $(KREL) $(INSTALL_MOD_PATH)

uninstall:
	@scripts/packaging/install.sh -r $(KREL) $(INSTALL_MOD_PATH)

# The sources as dkms wants them, below DESTDIR.
dkms-source:
	@rm -rf $(DKMS_TREE)
	@mkdir -p $(DKMS_TREE)/scripts/build
	@cp -R Kbuild Makefile kernel uapi kunit LICENSES $(DKMS_TREE)/
	@cp scripts/build/probe.sh $(DKMS_TREE)/scripts/build/
	@touch $(DKMS_TREE)/scripts/targets.mk
	@sed 's/@VERSION@/$(VERSION)/' scripts/packaging/dkms.conf > $(DKMS_TREE)/dkms.conf

# dkms asks make for the kernel's compiler, and would take what a make inside a make says for
# the answer.
dkms: dkms-source plugin
	@! $(DKMS) status xfrm_accel/$(VERSION) | grep -q . || $(DKMS) remove xfrm_accel/$(VERSION) --all
	@env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(DKMS) install xfrm_accel/$(VERSION) $(DKMS_KERNEL)
	@scripts/packaging/beside.sh install $(DESTDIR)

dkms-remove:
	@! $(DKMS) status xfrm_accel/$(VERSION) | grep -q . || $(DKMS) remove xfrm_accel/$(VERSION) --all
	@rm -rf $(DKMS_TREE)
	@scripts/packaging/beside.sh remove $(DESTDIR)

install-test:
	@scripts/packaging/selftest.sh
