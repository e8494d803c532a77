/* Stand-in for nouveau: takes the GPUs, so that NVIDIA's module finds none. */
#include <linux/pci.h>

#include "standin.h"

static int modeset = -1;
module_param(modeset, int, 0400);

static int probe(struct pci_dev *device, const struct pci_device_id *id)
{
	return 0;
}

static const struct pci_device_id devices[] = {
	{ PCI_DEVICE(0x10de, PCI_ANY_ID), .class = PCI_BASE_CLASS_DISPLAY << 16, .class_mask = 0xff << 16 },
	{ }
};
MODULE_DEVICE_TABLE(pci, devices);

static struct pci_driver nouveau_driver = {
	.name = "nouveau",
	.id_table = devices,
	.probe = probe,
};
module_pci_driver(nouveau_driver);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("stand-in for nouveau");
