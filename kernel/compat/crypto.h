/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <linux/crypto.h>: what a completion function is given.
 */
#ifndef _XAC_COMPAT_CRYPTO_H
#define _XAC_COMPAT_CRYPTO_H

#include <linux/crypto.h>

#include "xfrm_accel_probes.h"

#ifdef XAC_HAVE_CRYPTO_DATA
typedef void *xac_crypto_data_t;

static inline void *xac_crypto_data(void *data)
{
	return data;
}
#else
typedef struct crypto_async_request *xac_crypto_data_t;

static inline void *xac_crypto_data(struct crypto_async_request *base)
{
	return base->data;
}
#endif

#endif /* _XAC_COMPAT_CRYPTO_H */
