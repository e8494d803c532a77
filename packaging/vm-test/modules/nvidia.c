/*
 * Stand-in for NVIDIA's kernel module: binds the GPUs on the PCI bus, has the real one's devices, parameters and files in procfs, and is held
 * by whoever has one of its devices open.
 */
#include <linux/pci.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "standin.h"

#define MAJOR_NUMBER 195
#define CONTROL_MINOR 255
/* Capabilities that the real module reserves: fabric-mgmt, mig/config, mig/monitor, and 135 for each of 32 GPUs, then IMEX. */
#define CAPABILITIES 4324
#define IMEX_CHANNELS 2048

/* Names and defaults as the real module's; as there, sysfs does not show them, procfs does. */
#define PARAMETERS(X)                                                                                                                            \
	X(ResmanDebugLevel, 4294967295U) X(RmLogonRC, 1) X(ModifyDeviceFiles, 1) X(DeviceFileUID, 0) X(DeviceFileGID, 0) X(DeviceFileMode, 438)        \
	X(InitializeSystemMemoryAllocations, 1) X(UsePageAttributeTable, 4294967295U) X(EnablePCIeGen3, 0) X(EnableMSI, 1)                             \
	X(EnableStreamMemOPs, 0) X(RestrictProfilingToAdminUsers, 1) X(PreserveVideoMemoryAllocations, 0) X(EnableS0ixPowerManagement, 0)              \
	X(DynamicPowerManagement, 3) X(EnableGpuFirmware, 18) X(EnableGpuFirmwareLogs, 2) X(OpenRmEnableUnsupportedGpus, 1)                            \
	X(EnableUserNUMAManagement, 1) X(NvLinkDisable, 0) X(EnableNonblockingOpen, 1) X(GpuInitOnProbe, 0) X(CoherentGPUMemoryMode, 0)                \
	X(ImexChannelCount, 2048) X(CreateImexChannel0, 0) X(EnableResizableBar, 0) X(EnableDbgBreakpoint, 0)

#define DECLARE(name, value)                                                                                                                     \
	static unsigned int NVreg_##name = value;                                                                                              \
	module_param(NVreg_##name, uint, 0);
PARAMETERS(DECLARE)

static char *NVreg_RegistryDwords;
module_param(NVreg_RegistryDwords, charp, 0);
static char *NVreg_RegistryDwordsPerDevice;
module_param(NVreg_RegistryDwordsPerDevice, charp, 0);
static char *NVreg_ExcludedGpus;
module_param(NVreg_ExcludedGpus, charp, 0);

static struct standin_gpu gpus[STANDIN_GPUS];
static bool probed[STANDIN_GPUS];
static bool initialized[STANDIN_GPUS];
static int count;
static struct standin_devices gpu_devices, control_device, capability_devices, imex_devices;
static struct standin_faults faults;
static struct proc_dir_entry *driver_directory, *capabilities_directory;

int standin_nvidia_use(void)
{
	return 0;
}
EXPORT_SYMBOL(standin_nvidia_use);

/* ---- devices: a GPU's can be opened when it was probed, and its first open initialises it */

static int gpu_open(struct inode *inode, struct file *file)
{
	int i;

	for (i = 0; i < count; i++) {
		if (gpus[i].minor == iminor(inode) && probed[i]) {
			initialized[i] = true;
			return standin_open(inode, file);
		}
	}
	return -ENODEV;
}

static const struct file_operations gpu_file = {
	.owner = THIS_MODULE,
	.open = gpu_open,
	.release = standin_release,
	.mmap = standin_map,
};

/* ---- PCI */

static struct standin_gpu *gpu_of(struct pci_dev *device)
{
	int i;

	for (i = 0; i < count; i++)
		if (gpus[i].domain == pci_domain_nr(device->bus) && gpus[i].bus == device->bus->number && gpus[i].slot == PCI_SLOT(device->devfn) &&
		    gpus[i].function == PCI_FUNC(device->devfn))
			return &gpus[i];
	return NULL;
}

static int probe(struct pci_dev *device, const struct pci_device_id *id)
{
	struct standin_gpu *gpu = gpu_of(device);

	if (!gpu)
		return -ENODEV;
	probed[gpu - gpus] = true;
	return 0;
}

static void leave(struct pci_dev *device)
{
	struct standin_gpu *gpu = gpu_of(device);

	if (gpu)
		probed[gpu - gpus] = false;
}

static const struct pci_device_id device_ids[] = {
	{ PCI_DEVICE(0x10de, PCI_ANY_ID), .class = PCI_CLASS_DISPLAY_VGA << 8, .class_mask = ~0U },
	{ PCI_DEVICE(0x10de, PCI_ANY_ID), .class = PCI_CLASS_DISPLAY_3D << 8, .class_mask = ~0U },
	{ }
};
MODULE_DEVICE_TABLE(pci, device_ids);

static struct pci_driver driver = {
	.name = "nvidia",
	.id_table = device_ids,
	.probe = probe,
	.remove = leave,
};

/* ---- procfs */

static int show_version(struct seq_file *file, void *data)
{
	seq_printf(file, "NVRM version: %s  %s  %sTue Nov 11 11:11:11 UTC 2025\n", STANDIN_FLAVOUR, STANDIN_VERSION,
#ifdef STANDIN_PROPRIETARY
		   ""
#else
		   "Release Build  (stand-in)  "
#endif
	);
	seq_printf(file, "GCC version:  gcc version %s (Debian)\n", __VERSION__);
	return 0;
}

static int show_params(struct seq_file *file, void *data)
{
#define SHOW(name, value) seq_printf(file, #name ": %u\n", NVreg_##name);
	PARAMETERS(SHOW)
	seq_printf(file, "RegistryDwords: \"%s\"\n", NVreg_RegistryDwords ?: "");
	seq_printf(file, "RegistryDwordsPerDevice: \"%s\"\n", NVreg_RegistryDwordsPerDevice ?: "");
	seq_printf(file, "ExcludedGpus: \"%s\"\n", NVreg_ExcludedGpus ?: "");
	return 0;
}

static int show_registry(struct seq_file *file, void *data)
{
	seq_printf(file, "Binary: \"\"\n");
	return 0;
}

static int show_information(struct seq_file *file, void *data)
{
	struct standin_gpu *gpu = file->private;

	seq_printf(file, "Model: \t\t %s\nIRQ:   \t\t %u\n", gpu->model, 24 + gpu->minor);
	seq_printf(file, "GPU UUID: \t %s\n", initialized[gpu - gpus] ? gpu->uuid : "GPU-\?\?\?\?\?\?\?\?-\?\?\?\?-\?\?\?\?-\?\?\?\?-\?\?\?\?\?\?\?\?\?\?\?\?");
	seq_printf(file, "Video BIOS: \t 95.04.29.00.06\nBus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\n");
	seq_printf(file, "Bus Location: \t %04x:%02x:%02x.%u\nDevice Minor: \t %u\n", gpu->domain, gpu->bus, gpu->slot, gpu->function, gpu->minor);
	seq_printf(file, "GPU Firmware: \t %s\nGPU Excluded:\t No\n", STANDIN_VERSION);
	return 0;
}

static int show_capability(struct seq_file *file, void *data)
{
	unsigned long minor = (unsigned long) file->private;

	seq_printf(file, "DeviceFileMinor: %lu\nDeviceFileMode: %d\nDeviceFileModify: 1\n", minor, minor == 2 ? 292 : 256);
	return 0;
}

static int show_mig_minors(struct seq_file *file, void *data)
{
	int gpu, instance, compute;

	seq_puts(file, "config 1\nmonitor 2\n");
	for (gpu = 0; gpu < 32; gpu++)
		for (instance = 0; instance < 15; instance++) {
			int minor = 3 + 135 * gpu + 9 * instance;

			seq_printf(file, "gpu%d/gi%d/access %d\n", gpu, instance, minor);
			for (compute = 0; compute < 8; compute++)
				seq_printf(file, "gpu%d/gi%d/ci%d/access %d\n", gpu, instance, compute, minor + 1 + compute);
		}
	return 0;
}

static int show_nvlink_minors(struct seq_file *file, void *data)
{
	seq_puts(file, "fabric-mgmt 0\n");
	return 0;
}

static int show_sys_minors(struct seq_file *file, void *data)
{
	seq_puts(file, "fabric-imex-mgmt 4323\n");
	return 0;
}

static int add_files(void)
{
	struct proc_dir_entry *directory;
	char name[32];
	int i;

	driver_directory = proc_mkdir("driver/nvidia", NULL);
	capabilities_directory = proc_mkdir("driver/nvidia-caps", NULL);
	if (!driver_directory || !capabilities_directory)
		return -ENOMEM;
	proc_create_single("version", 0444, driver_directory, show_version);
	proc_create_single("params", 0444, driver_directory, show_params);
	proc_create_single("registry", 0444, driver_directory, show_registry);
	directory = proc_mkdir("capabilities", driver_directory);
	proc_create_single_data("fabric-imex-mgmt", 0400, directory, show_capability, (void *) 4323UL);
	directory = proc_mkdir("mig", directory);
	proc_create_single_data("config", 0400, directory, show_capability, (void *) 1UL);
	proc_create_single_data("monitor", 0444, directory, show_capability, (void *) 2UL);
	proc_create_single("mig-minors", 0444, capabilities_directory, show_mig_minors);
	proc_create_single("nvlink-minors", 0444, capabilities_directory, show_nvlink_minors);
	proc_create_single("sys-minors", 0444, capabilities_directory, show_sys_minors);
	directory = proc_mkdir("gpus", driver_directory);
	for (i = 0; i < count; i++) {
		if (!probed[i])
			continue;
		snprintf(name, sizeof(name), "%04x:%02x:%02x.%u", gpus[i].domain, gpus[i].bus, gpus[i].slot, gpus[i].function);
		proc_create_single_data("information", 0444, proc_mkdir(name, directory), show_information, &gpus[i]);
	}
	return 0;
}

/* ---- the module */

static void undo(void)
{
	proc_remove(driver_directory);
	proc_remove(capabilities_directory);
	standin_remove_devices(&imex_devices);
	standin_remove_devices(&capability_devices);
	standin_remove_devices(&control_device);
	standin_remove_devices(&gpu_devices);
}

/* How many GPUs there are, whoever has them. */
static int present(void)
{
	struct pci_dev *device = NULL;
	int found = 0;

	while ((device = pci_get_device(0x10de, PCI_ANY_ID, device)))
		if ((device->class >> 16) == PCI_BASE_CLASS_DISPLAY)
			found++;
	return found;
}

static int __init nvidia_init(void)
{
	int i, found = present(), bound = 0, error = standin_begin(&faults);

	if (error == -EIO)
		pr_err("NVRM: RmInitAdapter failed! (stand-in)\n");
	if (error)
		return error;
	count = standin_read_gpus(gpus);
	error = standin_add_devices(&gpu_devices, "nvidia", MAJOR_NUMBER, 0, 248);
	if (error)
		return error;
	gpu_devices.cdev.ops = &gpu_file;
	error = standin_add_devices(&control_device, "nvidiactl", MAJOR_NUMBER, CONTROL_MINOR, 1);
	error = error ?: standin_add_devices(&capability_devices, "nvidia-caps", 0, 0, CAPABILITIES);
	error = error ?: standin_add_devices(&imex_devices, "nvidia-caps-imex-channels", 0, 0, IMEX_CHANNELS);
	error = error ?: pci_register_driver(&driver);
	if (error) {
		undo();
		return error;
	}
	for (i = 0; i < count; i++)
		bound += probed[i];
	if (!bound) {
		if (found)
			pr_err("NVRM: The NVIDIA probe routine was not called for %d device(s).\nNVRM: This can occur when another driver was loaded and obtained ownership of the NVIDIA device(s).\n",
			       found);
		else
			pr_err("NVRM: No NVIDIA GPU found.\n");
		pci_unregister_driver(&driver);
		undo();
		return -ENODEV;
	}
	error = add_files();
	if (error) {
		pci_unregister_driver(&driver);
		undo();
		return error;
	}
	pr_info("NVRM: loading %s  %s\n", STANDIN_FLAVOUR, STANDIN_VERSION);
	return 0;
}

static void __exit nvidia_exit(void)
{
	standin_end(&faults);
	pci_unregister_driver(&driver);
	undo();
}

module_init(nvidia_init);
module_exit(nvidia_exit);
MODULE_LICENSE(STANDIN_LICENSE);
MODULE_VERSION(STANDIN_VERSION);
MODULE_ALIAS_CHARDEV_MAJOR(MAJOR_NUMBER);
