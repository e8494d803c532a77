/* Stand-in for nvidia_peermem: uses nvidia, has no device. */
#include "standin.h"

extern int standin_nvidia_use(void);

static int peerdirect_support;
module_param(peerdirect_support, int, 0444);
static int persistent_api_support;
module_param(persistent_api_support, int, 0444);

static struct standin_faults faults;

static int __init peermem_init(void)
{
	int error = standin_begin(&faults);

	return error ? error : standin_nvidia_use();
}

static void __exit peermem_exit(void)
{
	standin_end(&faults);
}

module_init(peermem_init);
module_exit(peermem_exit);
MODULE_LICENSE(STANDIN_LICENSE);
MODULE_VERSION(STANDIN_VERSION);
