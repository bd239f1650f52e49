/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The GSO helpers moved from <linux/skbuff.h> to <net/gso.h>.
 */
#ifndef _XAC_COMPAT_GSO_H
#define _XAC_COMPAT_GSO_H

#include <linux/skbuff.h>

#include "xfrm_accel_probes.h"

#ifdef XAC_HAVE_GSO_H
#include <net/gso.h>
#endif

#endif /* _XAC_COMPAT_GSO_H */
