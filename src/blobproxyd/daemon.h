/* SPDX-License-Identifier: MIT */
/* The daemon's life: start everything, serve, drain, stop. Runs on the main thread. */
#ifndef BLOBPROXYD_DAEMON_H
#define BLOBPROXYD_DAEMON_H

#include "conf.h"

/* Takes conf over. Runs until SIGTERM or SIGINT and returns the exit status: 0 after a requested stop, 1 when it could not start.
 * A second signal ends the drain at once. SIGHUP reads the configuration again. */
int daemon_run(struct conf *conf);

#endif
