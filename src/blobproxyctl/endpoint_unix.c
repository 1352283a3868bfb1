/* SPDX-License-Identifier: MIT */
/* The Unix socket in the languages of the SDKs. */
#include "endpoint.h"
#include "shown.h"

#include <string.h>

/* @S is the socket, @U the URL, @A the account, @K its key. */
static const char text[] =
    "A connection string cannot name a Unix socket. The socket is\n"
    "    @S\n"
    "and requests to it name the account as in\n"
    "    @U\n"
    "\n"
    "curl, with a SAS (scripts/account-sas prints one):\n"
    "    curl --unix-socket @S \"@U/CONTAINER/BLOB?SAS\"\n"
    "\n"
    "JavaScript:\n"
    "    const credential = new StorageSharedKeyCredential(\"@A\", \"@K\");\n"
    "    const agent = new http.Agent({ socketPath: \"@S\", keepAlive: true });\n"
    "    const service = new BlobServiceClient(\"@U\", newPipeline(credential, { agent }));\n"
    "\n"
    "Go, in the Transport of azblob's ClientOptions:\n"
    "    &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {\n"
    "        return (&net.Dialer{}).DialContext(ctx, \"unix\", \"@S\")\n"
    "    }}}\n"
    "\n"
    ".NET, in the Transport of BlobClientOptions:\n"
    "    new HttpClientTransport(new SocketsHttpHandler { ConnectCallback = async (_, cancel) => {\n"
    "        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);\n"
    "        await socket.ConnectAsync(new UnixDomainSocketEndPoint(\"@S\"), cancel);\n"
    "        return new NetworkStream(socket, ownsSocket: true);\n"
    "    } })\n"
    "\n"
    "Python and Java need a transport of your own; TCP is simpler there: blobproxyctl connection-string\n";

static const char *value_of(const struct endpoint *endpoint, char mark)
{
    return mark == 'S' ? endpoint->socket : mark == 'U' ? endpoint->url : mark == 'A' ? endpoint->account : endpoint->key;
}

void endpoint_print_unix(const struct endpoint *endpoint, FILE *out)
{
    char shown[SHOWN_BYTES(ENDPOINT_BYTES)];

    for (const char *place = text; *place;) {
        size_t len = strcspn(place, "@");

        (void)fwrite(place, 1, len, out);
        place += len;
        if (*place == '@') {
            (void)fputs(shown_text(value_of(endpoint, place[1]), shown, sizeof(shown)), out);
            place += 2;
        }
    }
}
