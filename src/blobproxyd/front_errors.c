/* SPDX-License-Identifier: MIT */
/* Azure error bodies in place of the HTTP library's pages. */
#include "front_errors.h"

#include "exchange.h"

#include "../lib/azure/error.h"
#include "../lib/clock.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define BODY_BYTES_MAX 4096u

static enum MHD_Result (*library_queue)(struct MHD_Connection *, unsigned, struct MHD_Response *);

int front_errors_init(void)
{
    void *function = dlsym(RTLD_NEXT, "MHD_queue_response");

    if (!function)
        return -ENOSYS;
    memcpy(&library_queue, &function, sizeof(library_queue));
    return 0;
}

enum MHD_Result front_errors_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
    return library_queue(connection, status, response);
}

static enum azure_error error_of(unsigned status)
{
    switch (status) {
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return AZURE_RequestBodyTooLarge;
    case MHD_HTTP_URI_TOO_LONG:
        return AZURE_RequestUrlTooLong;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return AZURE_RequestHeadersTooLarge;
    case MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED:
        return AZURE_HttpVersionNotSupported;
    default:
        return status < 500 ? AZURE_MalformedRequest : AZURE_InternalError;
    }
}

static struct MHD_Response *make_error(enum azure_error error)
{
    struct buf xml CLEANUP(buf_free);
    char request_id[AZURE_REQUEST_ID_BYTES], date[CLOCK_HTTP_DATE_BYTES];
    uint8_t guid[16];

    buf_init(&xml, BODY_BYTES_MAX);
    azure_guid_random(guid);
    azure_guid_text(guid, request_id);
    clock_format_http(clock_wall_us(), date);
    if (azure_error_xml(&xml, error, NULL, request_id, clock_wall_us()) < 0)
        return NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(xml.len, xml.bytes, MHD_RESPMEM_MUST_COPY);

    if (!response)
        return NULL;
    MHD_add_response_header(response, "Content-Type", "application/xml");
    MHD_add_response_header(response, "x-ms-error-code", azure_error_code(error));
    MHD_add_response_header(response, "x-ms-request-id", request_id);
    MHD_add_response_header(response, "Date", date);
    MHD_add_response_header(response, "Connection", "close");
    return response;
}

/* Once the whole head is there the library (0.9.75) would write an error's head twice: it is sent here instead, and the library
 * told that nothing could be queued, so that it closes the connection. */
static bool send_directly(struct MHD_Connection *connection, enum azure_error error)
{
    const union MHD_ConnectionInfo *head = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct buf text CLEANUP(buf_free);

    buf_init(&text, 2 * BODY_BYTES_MAX);
    if (!head || !info || exchange_error_text(&text, error, NULL, NULL) < 0)
        return false;
    (void)!send(info->connect_fd, text.bytes, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return true;
}

/* Called by the library for what it refuses by itself; ours go through front_errors_queue(). */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status_code, struct MHD_Response *response)
{
    if (!library_queue && front_errors_init() < 0)
        return MHD_NO;
    if (send_directly(connection, error_of(status_code)))
        return MHD_NO;
    struct MHD_Response *own = make_error(error_of(status_code));

    if (!own)
        return library_queue(connection, status_code, response);
    enum MHD_Result result = library_queue(connection, status_code, own);

    MHD_destroy_response(own);
    return result;
}
