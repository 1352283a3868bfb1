// SPDX-License-Identifier: MIT
// A Blob endpoint that speaks HTTP/2 over TLS and nothing else, as far as its test needs it: PUT keeps a body, GET gives it back,
// whole or by x-ms-range. Each answer tells what was seen of its request. Usage: http2server.mjs CHAIN KEY; prints its port.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";

const blobs = new Map();
const server = createSecureServer({ cert: readFileSync(process.argv[2]), key: readFileSync(process.argv[3]), allowHTTP1: false });

function send(stream, status, fields, body) {
    stream.respond({ ":status": status, ...fields, "content-length": body.length });
    stream.end(body);
}

function get(stream, seen, body, range) {
    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
    if (!match) {
        send(stream, 200, { ...seen, etag: '"one"' }, body);
        return;
    }
    const last = Math.min(Number(match[2]), body.length - 1);
    const part = body.subarray(Number(match[1]), last + 1);
    send(stream, 206, { ...seen, etag: '"one"', "content-range": `bytes ${match[1]}-${last}/${body.length}` }, part);
}

server.on("stream", (stream, headers) => {
    const pieces = [];
    const path = headers[":path"];
    const seen = { "x-seen-authority": headers[":authority"], "x-seen-version": stream.session.alpnProtocol, "x-seen-path": path };

    if (headers["x-ms-meta-empty"] !== undefined) seen["x-seen-empty"] = `[${headers["x-ms-meta-empty"]}]`;
    stream.on("error", () => {});
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("end", () => {
        if (headers[":method"] === "PUT") {
            blobs.set(path, Buffer.concat(pieces));
            send(stream, 201, { ...seen, etag: '"one"' }, Buffer.alloc(0));
        } else if (blobs.has(path)) {
            get(stream, seen, headers[":method"] === "HEAD" ? Buffer.alloc(0) : blobs.get(path), headers["x-ms-range"]);
        } else {
            send(stream, 404, { ...seen, "x-ms-error-code": "BlobNotFound" }, Buffer.from("<Error><Code>BlobNotFound</Code></Error>"));
        }
    });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
