/*
 * The stop flag: the program's only global. Set once by the first signal that asks
 * us to end; read by every loop that could wait for long.
 */
#ifndef UTIL_STOP_H
#define UTIL_STOP_H

/* The signal that asked us to stop, or 0. Any thread, any time. */
int stop_signal(void);

/* Record that `sig` asked us to stop; the first one wins. Async-signal-safe. */
void stop_set(int sig);

#endif
