/* SPDX-License-Identifier: MIT */
/* blobproxyd: Azure Blob REST on localhost, carried over the host-accelerated channel. */
#include "conf.h"
#include "daemon.h"

#include "../lib/log.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct conf *conf;

    switch (conf_load(argc, argv, stdout, stderr, &conf)) {
    case CONF_EXIT_OK:
        return 0;
    case CONF_EXIT_USAGE:
        return 2;
    case CONF_RUN:
        break;
    }
    log_open("blobproxyd", conf->log_level);
    return daemon_run(conf);
}
