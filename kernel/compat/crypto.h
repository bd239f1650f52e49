/* SPDX-License-Identifier: GPL-2.0 */
/*
 * <linux/crypto.h>: what a completion function is given.
 */
#ifndef _XAC_COMPAT_CRYPTO_H
#define _XAC_COMPAT_CRYPTO_H

#include <linux/crypto.h>

#include "xfrm_accel_probes.h"

/*
 * XAC_CRYPTO_DONE - head of a completion function
 * @name: of the function
 * @base: its argument for xac_crypto_data()
 * @err: its argument for the errno
 */
#ifdef XAC_HAVE_CRYPTO_DATA
#define XAC_CRYPTO_DONE(name, base, err) void name(void *base, int err)
#define xac_crypto_data(base) (base)
#else
#define XAC_CRYPTO_DONE(name, base, err) \
	void name(struct crypto_async_request *base, int err)
#define xac_crypto_data(base) ((base)->data)
#endif

#endif /* _XAC_COMPAT_CRYPTO_H */
