# SPDX-License-Identifier: GPL-2.0
#
# make plugin          link_espnic.so, with which `ip link` knows the options of espnic

.PHONY: plugin

PLUGIN ?= build/link_espnic.so

plugin: $(PLUGIN)

# It stands on libc alone; what it uses of ip is there when ip has loaded it.
$(PLUGIN): $(wildcard scripts/iproute2/*.[ch]) uapi/linux/espnic.h
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 -O2 -Wall -Wextra $(CFLAGS) -fPIC -shared -Wl,-z,now $(LDFLAGS) \
		-Iuapi -o $@ $(filter %.c,$^) || { \
		echo "is libc6-dev installed?" >&2; exit 1; }
