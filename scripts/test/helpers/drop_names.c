// SPDX-License-Identifier: GPL-2.0
/*
 * Prints, one to a line, the statistics that an xfrm interface must have
 * according to the header that user space compiles against. Valid C and C++.
 */
#include <stdio.h>
#include <string.h>

#include <linux/xfrm_accel.h>

int main(void)
{
	static const char *const names[] = XFRM_ACCEL_DROP_NAMES;
	const unsigned int count = sizeof(names) / sizeof(names[0]);
	unsigned int i;

	if (count != XFRM_ACCEL_DROP_COUNT ||
	    strcmp(names[XFRM_ACCEL_DROP_TX_NO_POLICY], "tx_no_policy") ||
	    strcmp(names[XFRM_ACCEL_DROP_RX_NOMEM], "rx_nomem")) {
		fprintf(stderr, "numbers and names do not agree\n");
		return 1;
	}

	for (i = 0; i < count; i++)
		printf(XFRM_ACCEL_DROP_PREFIX "%s\n", names[i]);
	puts(XFRM_ACCEL_LOOKUPS);
	puts(XFRM_ACCEL_FORWARD_LOOKUPS);

	return 0;
}
