/* Stand-in for nvidia_uvm: two devices of a major that the kernel chooses. */
#include "standin.h"

extern int standin_nvidia_use(void);

static int uvm_disable_hmm;
module_param(uvm_disable_hmm, int, 0444);

static struct standin_devices devices;
static struct standin_faults faults;

static int __init uvm_init(void)
{
	int error = standin_begin(&faults);

	if (error)
		return error;
	standin_nvidia_use();
	error = standin_add_devices(&devices, "nvidia-uvm", 0, 0, 2);
	if (!error)
		pr_info("nvidia-uvm: Loaded the UVM driver, major device number %d.\n", MAJOR(devices.first));
	return error;
}

static void __exit uvm_exit(void)
{
	standin_end(&faults);
	standin_remove_devices(&devices);
	pr_info("nvidia-uvm: Unloaded the UVM driver.\n");
}

module_init(uvm_init);
module_exit(uvm_exit);
MODULE_LICENSE(STANDIN_LICENSE);
MODULE_VERSION(STANDIN_VERSION);
