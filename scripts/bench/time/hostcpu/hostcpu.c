// SPDX-License-Identifier: GPL-2.0
/*
 * hostcpu.c - the benchmark's clock in a User Mode Linux kernel.
 *
 * Such a kernel is a process of the host, and loses wall-clock time to every
 * other one. Its CPU time stops while it waits. User space in it cannot ask for
 * that, its system calls end in this kernel; this kernel's own go to the host.
 *
 * /sys/module/hostcpu/parameters/ns: nanoseconds of CPU time that the kernel
 * process has used. What user space in it uses is counted elsewhere.
 */
#include <linux/module.h>
#include <linux/time64.h>

#define HOST_CLOCK_GETTIME		228L
#define HOST_CLOCK_PROCESS_CPUTIME_ID	2L

static int ns_get(char *buffer, const struct kernel_param *kp)
{
	struct { s64 sec, nsec; } now;
	long ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "0" (HOST_CLOCK_GETTIME),
		       "D" (HOST_CLOCK_PROCESS_CPUTIME_ID), "S" (&now)
		     : "rcx", "r11", "memory");
	if (ret)
		return ret;
	return sprintf(buffer, "%lld\n", now.sec * NSEC_PER_SEC + now.nsec);
}

static const struct kernel_param_ops ns_ops = { .get = ns_get };
module_param_cb(ns, &ns_ops, NULL, 0444);
MODULE_PARM_DESC(ns, "CPU time of this kernel's process on its host");

MODULE_DESCRIPTION("CPU time of a User Mode Linux kernel");
MODULE_LICENSE("GPL");
