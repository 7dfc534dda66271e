#include "util/stop.h"

#include <stdatomic.h>

static atomic_int stop_flag;

int stop_signal(void)
{
    return atomic_load(&stop_flag);
}

void stop_set(int sig)
{
    int none = 0;
    atomic_compare_exchange_strong(&stop_flag, &none, sig);
}
