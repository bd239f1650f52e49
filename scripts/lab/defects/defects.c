// SPDX-License-Identifier: GPL-2.0
/*
 * Defects on purpose, one per load (insmod defects.ko which=NAME): the lab's self-test
 * proves with them that the debug kernel sees each kind.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *which = "";
module_param(which, charp, 0);

static DEFINE_SPINLOCK(lock_a);
static DEFINE_SPINLOCK(lock_b);
static DEFINE_MUTEX(sleeper);
static netdevice_tracker tracker;

static void use_after_free(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	kfree((void *)p);
	p[3] = 1;
}

static void past_the_end(void)
{
	volatile char *p = kmalloc(40, GFP_KERNEL);

	p[40] = 1;
	kfree((void *)p);
}

static void lock_order(void)
{
	spin_lock(&lock_a);
	spin_lock(&lock_b);
	spin_unlock(&lock_b);
	spin_unlock(&lock_a);
	spin_lock(&lock_b);
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	spin_unlock(&lock_b);
}

static void sleep_under_spinlock(void)
{
	spin_lock(&lock_a);
	mutex_lock(&sleeper);
	mutex_unlock(&sleeper);
	spin_unlock(&lock_a);
}

static void leak(void)
{
	int i;

	/* Several: a stale copy of one address in a register would hide it. */
	for (i = 0; i < 10; i++)
		kmalloc(4000, GFP_KERNEL);
}

static void wild_shift(void)
{
	volatile int bits = 40, one = 1;

	one = one << bits;
}

static void device_reference(void)
{
	struct net_device *dev;

	rtnl_lock();
	dev = __dev_get_by_name(&init_net, "victim");
	if (dev)
		netdev_hold(dev, &tracker, GFP_KERNEL);
	rtnl_unlock();
}

static const struct {
	const char *name;
	void (*commit)(void);
} defects[] = {
	{ "use_after_free", use_after_free },
	{ "past_the_end", past_the_end },
	{ "lock_order", lock_order },
	{ "sleep_under_spinlock", sleep_under_spinlock },
	{ "leak", leak },
	{ "wild_shift", wild_shift },
	{ "device_reference", device_reference },
};

static int __init defects_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(defects); i++) {
		if (!strcmp(which, defects[i].name)) {
			defects[i].commit();
			return 0;
		}
	}
	return -EINVAL;
}
module_init(defects_init);

static void __exit defects_exit(void)
{
}
module_exit(defects_exit);

MODULE_DESCRIPTION("Defects on purpose, to test the test lab");
MODULE_LICENSE("GPL");
