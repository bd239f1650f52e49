/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <linux/crypto.h>: what a completion function is given.
 */
#ifndef _XAC_COMPAT_CRYPTO_H
#define _XAC_COMPAT_CRYPTO_H

#include <linux/crypto.h>

#include "xfrm_accel_probes.h"

/*
 * A completion function is declared with xac_crypto_base in its head, and
 * gets what it was registered with by xac_crypto_data().
 */
#ifdef XAC_HAVE_CRYPTO_DATA
#define xac_crypto_base void

static inline void *xac_crypto_data(void *base)
{
	return base;
}
#else
#define xac_crypto_base struct crypto_async_request

static inline void *xac_crypto_data(struct crypto_async_request *base)
{
	return base->data;
}
#endif

#endif /* _XAC_COMPAT_CRYPTO_H */
