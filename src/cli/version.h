/* Who we are. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#include <stdio.h>

/* "pmm-seal 0.1.0". */
const char *version_tool(void);

/* That, and on a second line the libraries. */
void version_print(FILE *out);

#endif
