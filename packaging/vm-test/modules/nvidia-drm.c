/* Stand-in for nvidia_drm: uses the two below it. The guest's kernel has no DRM, so there are no nodes. */
#include "standin.h"

extern int standin_nvidia_use(void);
extern int standin_modeset_use(void);

static bool modeset;
module_param(modeset, bool, 0400);
static bool fbdev;
module_param(fbdev, bool, 0400);

static struct standin_faults faults;

static int __init drm_init(void)
{
	int error = standin_begin(&faults);

	return error ? error : standin_nvidia_use() + standin_modeset_use();
}

static void __exit drm_exit(void)
{
	standin_end(&faults);
}

module_init(drm_init);
module_exit(drm_exit);
MODULE_LICENSE(STANDIN_LICENSE);
MODULE_VERSION(STANDIN_VERSION);
