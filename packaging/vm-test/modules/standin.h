/*
 * What the stand-in modules share: their version, the faults a test asked for, and the table of GPUs.
 *
 * Faults lie in /var/lib/standin/NAME-VERSION or, for every version, /var/lib/standin/NAME (NAME as in /proc/modules), and are read when the
 * module is loaded, however that is done: lines "fail ERRNO" (the init function ends so), "slow MILLISECONDS" (it takes so long; a signal ends
 * it), "stuck MILLISECONDS" (as slow, and no signal helps), "exit-slow MILLISECONDS" (unloading takes so long).
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/version.h>

#include "version.h"

#define STANDIN_DIRECTORY "/var/lib/standin/"
#define STANDIN_LONGEST_FILE 4095

#ifdef STANDIN_PROPRIETARY
#define STANDIN_LICENSE "NVIDIA"
#define STANDIN_FLAVOUR "NVIDIA UNIX x86_64 Kernel Module"
#else
#define STANDIN_LICENSE "Dual MIT/GPL"
#define STANDIN_FLAVOUR "NVIDIA UNIX Open Kernel Module for x86_64"
#endif

struct standin_faults {
	int fail;
	int slow_ms;
	int stuck_ms;
	int exit_slow_ms;
};

/* The file's text, to be freed by kfree; NULL where there is none. */
static inline char *standin_read(const char *path)
{
	loff_t position = 0;
	ssize_t count;
	char *text;
	struct file *file = filp_open(path, O_RDONLY, 0);

	if (IS_ERR(file))
		return NULL;
	text = kzalloc(STANDIN_LONGEST_FILE + 1, GFP_KERNEL);
	count = text ? kernel_read(file, text, STANDIN_LONGEST_FILE, &position) : -1;
	filp_close(file, NULL);
	if (count < 0) {
		kfree(text);
		return NULL;
	}
	return text;
}

static inline void standin_read_faults(struct standin_faults *faults)
{
	char *text = standin_read(STANDIN_DIRECTORY KBUILD_MODNAME "-" STANDIN_VERSION);
	char *rest, *line;

	memset(faults, 0, sizeof(*faults));
	if (!text)
		text = standin_read(STANDIN_DIRECTORY KBUILD_MODNAME);
	rest = text;
	while (rest && (line = strsep(&rest, "\n"))) {
		if (sscanf(line, "fail %d", &faults->fail) == 1 || sscanf(line, "slow %d", &faults->slow_ms) == 1 ||
		    sscanf(line, "stuck %d", &faults->stuck_ms) == 1 || sscanf(line, "exit-slow %d", &faults->exit_slow_ms) == 1)
			continue;
		if (*line)
			pr_warn(KBUILD_MODNAME ": unknown fault: %s\n", line);
	}
	kfree(text);
}

/* What an init function does first: 0, or the error to end with. */
static inline int standin_begin(struct standin_faults *faults)
{
	standin_read_faults(faults);
	if (faults->stuck_ms)
		msleep(faults->stuck_ms);
	if (faults->slow_ms && msleep_interruptible(faults->slow_ms))
		return -EINTR;
	return -faults->fail;
}

static inline void standin_end(const struct standin_faults *faults)
{
	if (faults->exit_slow_ms)
		msleep(faults->exit_slow_ms);
}

/* A page that can be mapped: a mapping keeps its file open after the descriptor is closed. */
static inline int standin_map(struct file *file, struct vm_area_struct *area)
{
	return vm_insert_page(area, area->vm_start, file->private_data);
}

static inline int standin_open(struct inode *inode, struct file *file)
{
	file->private_data = alloc_page(GFP_KERNEL | __GFP_ZERO);
	return file->private_data ? 0 : -ENOMEM;
}

static inline int standin_release(struct inode *inode, struct file *file)
{
	__free_page(file->private_data);
	return 0;
}

static const struct file_operations standin_file __maybe_unused = {
	.owner = THIS_MODULE,
	.open = standin_open,
	.release = standin_release,
	.mmap = standin_map,
};

/* Character devices of one name in /proc/devices. */
struct standin_devices {
	struct cdev cdev;
	dev_t first;
	unsigned int count;
	bool there;
};

/* With major 0 the kernel chooses one. */
static inline int standin_add_devices(struct standin_devices *devices, const char *name, unsigned int major, unsigned int minor, unsigned int count)
{
	int error;

	devices->first = MKDEV(major, minor);
	devices->count = count;
	error = major ? register_chrdev_region(devices->first, count, name) : alloc_chrdev_region(&devices->first, minor, count, name);
	if (error)
		return error;
	/* Owned through its file operations alone: one reference for each open file. */
	cdev_init(&devices->cdev, &standin_file);
	error = cdev_add(&devices->cdev, devices->first, count);
	if (error)
		unregister_chrdev_region(devices->first, count);
	devices->there = !error;
	return error;
}

static inline void standin_remove_devices(struct standin_devices *devices)
{
	if (!devices->there)
		return;
	cdev_del(&devices->cdev);
	unregister_chrdev_region(devices->first, devices->count);
	devices->there = false;
}

/* One GPU of /var/lib/standin/gpus: address, device id, UUID, minor and model, separated by blanks. */
#define STANDIN_GPUS 16
struct standin_gpu {
	unsigned int domain, bus, slot, function, device, minor;
	char uuid[48];
	char model[64];
};

static inline int standin_read_gpus(struct standin_gpu *gpus)
{
	char *text = standin_read(STANDIN_DIRECTORY "gpus"), *rest = text, *line;
	int count = 0;

	while (rest && (line = strsep(&rest, "\n")) && count < STANDIN_GPUS) {
		struct standin_gpu *gpu = &gpus[count];

		if (sscanf(line, "%x:%x:%x.%u %x %47s %u %63[^\n]", &gpu->domain, &gpu->bus, &gpu->slot, &gpu->function, &gpu->device, gpu->uuid,
			   &gpu->minor, gpu->model) == 8)
			count++;
		else if (*line)
			pr_warn(KBUILD_MODNAME ": no GPU: %s\n", line);
	}
	kfree(text);
	return count;
}

#endif
