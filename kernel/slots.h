/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _XAC_SLOTS_H
#define _XAC_SLOTS_H

/* slots.c */
int xac_veto_register(void);
void xac_veto_unregister(void);
int xac_load_error(int err);

#endif /* _XAC_SLOTS_H */
