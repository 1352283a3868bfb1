/* SPDX-License-Identifier: MIT */
/* What is known of event words and of the fields of events: the table message.def. Pure; any thread. */
#ifndef BLOBPROXY_MESSAGE_H
#define BLOBPROXY_MESSAGE_H

#include <stdbool.h>

#define MESSAGE_ID_CHARS 32 /* 128 bits in hexadecimal */

/* The MESSAGE_ID of an event in the journal, or NULL: it has none. */
const char *message_id(const char *word);

/* Is the field a number, where the form of the log knows numbers? Unknown fields are text. */
bool message_field_is_number(const char *key);

#endif
