/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The unit tests' way in. They are linked into the module they test
 * (make XFRM_ACCEL_KUNIT=1), where a few static functions become visible.
 */
#ifndef _XAC_COMPAT_KUNIT_H
#define _XAC_COMPAT_KUNIT_H

#ifdef XAC_KUNIT

#include "kunit/visible.h"

#define VISIBLE_IF_KUNIT

/* suites.c */
void xac_kunit_run(void);
void xac_kunit_exit(void);

#else

#define VISIBLE_IF_KUNIT static

static inline void xac_kunit_run(void)
{
}

static inline void xac_kunit_exit(void)
{
}

#endif /* XAC_KUNIT */

#endif /* _XAC_COMPAT_KUNIT_H */
