/* SPDX-License-Identifier: MIT */
/* Requests as clients sign them, for tests of what an exchange makes of their rights. */
#ifndef RIGHTS_FIXTURE_H
#define RIGHTS_FIXTURE_H

#include "exchange_fixture.h"

#define ACCOUNT "devstoreaccount1"
#define HOST "127.0.0.1:10000"
#define FIELDS(...) ((const char *const[]){"Host: " HOST, "x-ms-version: 2021-12-02", ##__VA_ARGS__, NULL})

/* A request as a client would send it; must live as long as the exchange. */
struct client_request {
    char date[64], authorization[256];
    const char *fields[12];
};

/* Reads these lines into the configuration. */
void rights_set(struct fixture *fixture, const char *text);

/* From the loopback. fields ends with NULL. Signs over the target as it goes out, with that key of ACCOUNT. */
struct exchange *rights_request(struct fixture *fixture, struct client_request *request, const char *method, const char *target,
                                const char *scheme, size_t key, const char *const *fields);

/* What the host saw last verifies under the first key in host style. */
void rights_expect_signed(struct fixture *fixture);

/* Answered with that error; the host saw nothing. */
void rights_expect_refused(struct fixture *fixture, struct exchange *x, unsigned status, const char *code);

/* Answers what is at the host, ends the exchange and the fixture. */
void rights_finish(struct fixture *fixture, struct exchange *x);

#endif
