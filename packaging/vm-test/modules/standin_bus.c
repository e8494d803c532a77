/*
 * GPUs on a PCI bus, for a machine without any: a root bus for each address in /var/lib/standin/gpus with one display controller of NVIDIA's
 * vendor number. There is a configuration space and nothing behind it.
 */
#include <linux/pci.h>

#include "standin.h"

#define CONFIGURATION_SPACE 256

struct slot {
	struct pci_sysdata system;
	struct standin_gpu gpu;
	u8 space[CONFIGURATION_SPACE];
	struct pci_bus *bus;
	struct resource numbers;
};

static struct slot *slots;
static int count;

static u8 *space_of(struct pci_bus *bus, unsigned int devfn)
{
	int i;

	for (i = 0; i < count; i++)
		if (slots[i].gpu.bus == bus->number && slots[i].gpu.domain == pci_domain_nr(bus) && PCI_DEVFN(slots[i].gpu.slot, slots[i].gpu.function) == devfn)
			return slots[i].space;
	return NULL;
}

static int read_space(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *value)
{
	u8 *space = space_of(bus, devfn);

	*value = ~0U;
	if (!space)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where + size > CONFIGURATION_SPACE)
		return PCIBIOS_BAD_REGISTER_NUMBER;
	*value = 0;
	memcpy(value, space + where, size);
	return PCIBIOS_SUCCESSFUL;
}

static int write_space(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 value)
{
	u8 *space = space_of(bus, devfn);

	if (!space)
		return PCIBIOS_DEVICE_NOT_FOUND;
	/* Only the command register keeps what is written. */
	if (where == PCI_COMMAND && size == 2)
		memcpy(space + where, &value, 2);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops operations = {
	.read = read_space,
	.write = write_space,
};

static void put16(u8 *space, int where, u16 value)
{
	memcpy(space + where, &value, 2);
}

static int add(struct slot *slot)
{
	LIST_HEAD(resources);

	put16(slot->space, PCI_VENDOR_ID, 0x10de);
	put16(slot->space, PCI_DEVICE_ID, slot->gpu.device);
	put16(slot->space, PCI_CLASS_DEVICE, 0x0302);
	put16(slot->space, PCI_SUBSYSTEM_VENDOR_ID, 0x10de);
	put16(slot->space, PCI_SUBSYSTEM_ID, slot->gpu.device);
	slot->system.domain = slot->gpu.domain;
	slot->system.node = NUMA_NO_NODE;
	slot->numbers = (struct resource) {
		.name = "standin bus", .start = slot->gpu.bus, .end = slot->gpu.bus, .flags = IORESOURCE_BUS,
	};
	pci_add_resource(&resources, &slot->numbers);
	slot->bus = pci_create_root_bus(NULL, slot->gpu.bus, &operations, &slot->system, &resources);
	if (!slot->bus) {
		pci_free_resource_list(&resources);
		return -ENODEV;
	}
	pci_scan_child_bus(slot->bus);
	pci_bus_add_devices(slot->bus);
	return 0;
}

static void remove_all(void)
{
	int i;

	pci_lock_rescan_remove();
	for (i = 0; i < count; i++) {
		if (!slots[i].bus)
			continue;
		pci_stop_root_bus(slots[i].bus);
		pci_remove_root_bus(slots[i].bus);
	}
	pci_unlock_rescan_remove();
	kfree(slots);
}

static int __init standin_bus_init(void)
{
	struct standin_gpu *gpus = kcalloc(STANDIN_GPUS, sizeof(*gpus), GFP_KERNEL);
	int i, error = 0;

	slots = kcalloc(STANDIN_GPUS, sizeof(*slots), GFP_KERNEL);
	if (!gpus || !slots) {
		kfree(gpus);
		kfree(slots);
		return -ENOMEM;
	}
	count = standin_read_gpus(gpus);
	for (i = 0; i < count; i++)
		slots[i].gpu = gpus[i];
	kfree(gpus);
	pci_lock_rescan_remove();
	for (i = 0; i < count && !error; i++)
		error = add(&slots[i]);
	pci_unlock_rescan_remove();
	if (error)
		remove_all();
	return error;
}

static void __exit standin_bus_exit(void)
{
	remove_all();
}

module_init(standin_bus_init);
module_exit(standin_bus_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("GPUs on a PCI bus, for a machine without any");
