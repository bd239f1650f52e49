/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xfrm_accel

#if !defined(_XAC_OBSERVE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _XAC_OBSERVE_TRACE_H

#include <linux/netdevice.h>
#include <linux/tracepoint.h>

#include "observe/counters.h"

/*
 * An xfrm interface discards a packet. The name of the reason is recorded,
 * so that every tool can print it.
 */
TRACE_EVENT(xfrm_accel_drop,
	    TP_PROTO(const struct net_device *dev, const struct sk_buff *skb,
		     unsigned int reason),

	    TP_ARGS(dev, skb, reason),

	    TP_STRUCT__entry(__field(const void *, skbaddr)
			     __field(unsigned int, len)
			     __field(int, ifindex)
			     __field(unsigned int, reason)
			     __array(char, reason_name, 20)
			     __array(char, dev_name, IFNAMSIZ)
	    ),

	    TP_fast_assign(__entry->skbaddr = skb;
			   __entry->len = skb ? skb->len : 0;
			   __entry->ifindex = dev->ifindex;
			   __entry->reason = reason;
			   strscpy(__entry->reason_name, xac_drop_name(reason),
				   sizeof(__entry->reason_name));
			   strscpy(__entry->dev_name, dev->name, IFNAMSIZ);
	    ),

	    TP_printk("dev=%s ifindex=%d skbaddr=%p len=%u reason=%u (%s)",
		      __entry->dev_name, __entry->ifindex, __entry->skbaddr,
		      __entry->len, __entry->reason, __entry->reason_name)
);

#endif /* _XAC_OBSERVE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH observe
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
