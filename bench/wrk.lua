-- SPDX-License-Identifier: MIT
-- What a wrk thread sends, and the result as one line of JSON; arguments after the URL: METHOD [BODY-FILE].
local threads = 0

function setup(thread)
    thread:set("thread_number", threads)
    threads = threads + 1
end

-- The request is built once per thread (no global function "request"), so that wrk sends a large body without copying it. Each
-- thread has a name of its own, so that writers do not meet on one blob.
function init(args)
    wrk.method = args[1] or "GET"
    if args[2] then
        local file = assert(io.open(args[2], "rb"))
        wrk.body = file:read("*a")
        file:close()
        wrk.path = wrk.path:gsub("/put%-0", "/put-" .. thread_number)
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'result {"requests": %d, "seconds": %.6f, "bad_status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, "median_us": %d, "p99_us": %d}\n',
        summary.requests, summary.duration / 1e6, errors.status, errors.connect, errors.read, errors.write, errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
