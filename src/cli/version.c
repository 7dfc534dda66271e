#include "cli/version.h"

#include "report/json.h"

#define TOOL "pmm-seal " VERSION_TEXT

const char *version_tool(void)
{
    return TOOL;
}

void version_print(FILE *out)
{
    fprintf(out, "%s\n", TOOL);
#ifdef LIBRARY_VERSIONS
    fprintf(out, "%s, ", LIBRARY_VERSIONS);
#endif
    fprintf(out, "jansson %s\n", jansson_version_str());
}
