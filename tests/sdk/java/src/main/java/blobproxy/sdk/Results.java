// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.exception.HttpResponseException;
import com.azure.storage.blob.models.BlobStorageException;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the application sees: results by name, failures typed. */
final class Results {
    private final Map<String, Object> found = new LinkedHashMap<>();

    @FunctionalInterface
    interface Call {
        Object run() throws Exception;
    }

    Results put(String name, Object value) {
        if (found.put(name, value) != null) {
            throw new IllegalStateException("result \"" + name + "\" is there twice");
        }
        return this;
    }

    /** Puts down the value, or how the service or the SDK refused. */
    Results attempt(String name, Call call) throws Exception {
        try {
            return put(name, call.run());
        } catch (HttpResponseException | IllegalArgumentException error) {
            return put(name, failure(error));
        }
    }

    /** A call that the service or the SDK must refuse. */
    Results mustFail(String name, Runnable call) {
        try {
            call.run();
        } catch (HttpResponseException | IllegalArgumentException error) {
            return put(name, failure(error));
        }
        throw new IllegalStateException("\"" + name + "\" succeeded");
    }

    static Map<String, Object> failure(RuntimeException error) {
        Map<String, Object> failure = new LinkedHashMap<>();
        failure.put("type", error.getClass().getSimpleName());
        if (error instanceof HttpResponseException http) {
            failure.put("status", http.getResponse() == null ? null : http.getResponse().getStatusCode());
        }
        if (error instanceof BlobStorageException storage) {
            failure.put("code", text(storage.getErrorCode()));
        }
        return failure;
    }

    static String text(Object value) {
        return value == null ? null : value.toString();
    }

    Map<String, Object> asMap() {
        return found;
    }
}
