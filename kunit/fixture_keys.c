// SPDX-License-Identifier: GPL-2.0
/*
 * Keys of SAs: every kind of cipher that ESP has.
 */
#include <linux/pfkeyv2.h>
#include <net/xfrm.h>

#include "kunit/fixture.h"

const struct xk_cipher xk_gcm = {
	.name = "AES-GCM",
	.aead = "rfc4106(gcm(aes))",
	.geniv = "seqiv",
	.key_len = 20,
	.icv_len = 16,
};

const struct xk_cipher xk_chacha = {
	.name = "ChaCha20-Poly1305",
	.aead = "rfc7539esp(chacha20,poly1305)",
	.geniv = "seqiv",
	.key_len = 36,
	.icv_len = 16,
};

const struct xk_cipher xk_cbc_hmac = {
	.name = "AES-CBC, HMAC-SHA256",
	.encr = "cbc(aes)",
	.auth = "hmac(sha256)",
	.geniv = "echainiv",
	.key_len = 16,
	.auth_key_len = 32,
	.icv_len = 16,
};

const struct xk_cipher xk_cbc = {
	.name = "AES-CBC",
	.encr = "cbc(aes)",
	.geniv = "echainiv",
	.key_len = 16,
};

const struct xk_cipher xk_null_hmac = {
	.name = "HMAC-SHA256",
	.encr = "ecb(cipher_null)",
	.auth = "hmac(sha256)",
	.auth_key_len = 32,
	.icv_len = 16,
};

const struct xk_cipher xk_plain = {
	.name = "nothing",
	.encr = "ecb(cipher_null)",
};

static void xk_set_key(char *dst, const u8 *key, unsigned int len)
{
	if (key)
		memcpy(dst, key, len);
}

static int xk_set_aead(struct xfrm_state *x, const struct xk_cipher *cipher,
		       const u8 *key)
{
	x->aead = kzalloc(sizeof(*x->aead) + cipher->key_len, GFP_KERNEL);
	if (!x->aead)
		return -ENOMEM;

	strscpy(x->aead->alg_name, cipher->aead, sizeof(x->aead->alg_name));
	x->aead->alg_key_len = cipher->key_len * 8;
	x->aead->alg_icv_len = cipher->icv_len * 8;
	xk_set_key(x->aead->alg_key, key, cipher->key_len);

	return 0;
}

static int xk_set_encr(struct xfrm_state *x, const struct xk_cipher *cipher,
		       const u8 *key)
{
	x->ealg = kzalloc(sizeof(*x->ealg) + cipher->key_len, GFP_KERNEL);
	if (!x->ealg)
		return -ENOMEM;

	strscpy(x->ealg->alg_name, cipher->encr, sizeof(x->ealg->alg_name));
	x->ealg->alg_key_len = cipher->key_len * 8;
	xk_set_key(x->ealg->alg_key, key, cipher->key_len);
	x->props.ealgo = cipher->key_len ? SADB_X_EALG_AESCBC :
					   SADB_EALG_NULL;

	return 0;
}

static int xk_set_auth(struct xfrm_state *x, const struct xk_cipher *cipher,
		       const u8 *key)
{
	/* ESP takes it for granted that it has been looked for before. */
	if (!xfrm_aalg_get_byname(cipher->auth, 1))
		return -ENOENT;

	x->aalg = kzalloc(sizeof(*x->aalg) + cipher->auth_key_len, GFP_KERNEL);
	if (!x->aalg)
		return -ENOMEM;

	strscpy(x->aalg->alg_name, cipher->auth, sizeof(x->aalg->alg_name));
	x->aalg->alg_key_len = cipher->auth_key_len * 8;
	x->aalg->alg_trunc_len = cipher->icv_len * 8;
	xk_set_key(x->aalg->alg_key, key, cipher->auth_key_len);
	x->props.aalgo = SADB_X_AALG_SHA2_256HMAC;

	return 0;
}

static int xk_set_esn(struct xfrm_state *x)
{
	unsigned int size = sizeof(*x->replay_esn) + sizeof(u32);

	x->replay_esn = kzalloc(size, GFP_KERNEL);
	x->preplay_esn = kzalloc(size, GFP_KERNEL);
	if (!x->replay_esn || !x->preplay_esn)
		return -ENOMEM;

	x->replay_esn->bmp_len = 1;
	x->replay_esn->replay_window = 32;
	memcpy(x->preplay_esn, x->replay_esn, size);
	x->props.flags |= XFRM_STATE_ESN;

	return 0;
}

/**
 * xk_sa_keys - give an SA its cipher and sequence numbers
 * @x: the SA, not yet initialised
 * @sa: its parameters
 *
 * Return: 0 or a negative errno.
 */
int xk_sa_keys(struct xfrm_state *x, const struct xk_sa *sa)
{
	const struct xk_cipher *cipher = sa->cipher ?: &xk_gcm;
	const u8 *key = sa->key;
	int err = 0;

	x->geniv = cipher->geniv;
	if (sa->esn)
		err = xk_set_esn(x);
	if (!err && cipher->aead)
		return xk_set_aead(x, cipher, key);
	if (!err)
		err = xk_set_encr(x, cipher, key);
	if (!err && cipher->auth)
		err = xk_set_auth(x, cipher, key ? key + cipher->key_len :
						   NULL);

	return err;
}
