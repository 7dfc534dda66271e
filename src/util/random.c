#include "util/random.h"

#include <errno.h>
#include <sys/random.h>

#include "util/stop.h"

int random_bytes(void *buf, size_t len, struct err *err)
{
    char *p = buf;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n < 0 && !(errno == EINTR && stop_signal() == 0)) {
            return err_sys(err, ERR_FAIL, "cannot get random bytes from the kernel");
        }
    }
    return 0;
}
