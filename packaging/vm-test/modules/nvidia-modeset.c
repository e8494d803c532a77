/* Stand-in for nvidia_modeset: its device, and a symbol for nvidia_drm. */
#include "standin.h"

extern int standin_nvidia_use(void);

static struct standin_devices devices;
static struct standin_faults faults;

int standin_modeset_use(void)
{
	return standin_nvidia_use();
}
EXPORT_SYMBOL(standin_modeset_use);

static int __init modeset_init(void)
{
	int error = standin_begin(&faults);

	if (error)
		return error;
	return standin_add_devices(&devices, "nvidia-modeset", 195, 254, 1);
}

static void __exit modeset_exit(void)
{
	standin_end(&faults);
	standin_remove_devices(&devices);
}

module_init(modeset_init);
module_exit(modeset_exit);
MODULE_LICENSE(STANDIN_LICENSE);
MODULE_VERSION(STANDIN_VERSION);
