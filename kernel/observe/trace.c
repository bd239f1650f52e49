// SPDX-License-Identifier: GPL-2.0
/*
 * The bodies of the tracepoints.
 */
#include <linux/skbuff.h>

#define CREATE_TRACE_POINTS
#include "observe/trace.h"
