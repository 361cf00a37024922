/* The shim's one translation unit: order matters, later files use earlier ones. */
#include "wake.c"
#include "trace.c"
#include "names.c"
#include "hook.c"
#include "request.c"
#include "calls.c"
#include "forward.c"
#include "media.c"
