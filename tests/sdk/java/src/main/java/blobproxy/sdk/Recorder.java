// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.http.HttpHeader;
import com.azure.core.http.HttpPipelineCallContext;
import com.azure.core.http.HttpPipelinePosition;
import com.azure.core.http.HttpResponse;
import com.azure.core.http.policy.HttpPipelineSyncPolicy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** A policy near the wire that keeps every response, those of retried tries included. */
final class Recorder extends HttpPipelineSyncPolicy {
    private final List<Map<String, Object>> responses = new ArrayList<>();

    @Override
    public HttpPipelinePosition getPipelinePosition() {
        return HttpPipelinePosition.PER_RETRY;
    }

    @Override
    protected HttpResponse afterReceivedResponse(HttpPipelineCallContext context, HttpResponse response) {
        Map<String, String> headers = new TreeMap<>();
        for (HttpHeader header : response.getHeaders()) {
            headers.put(header.getName().toLowerCase(Locale.ROOT), header.getValue());
        }
        Map<String, Object> seen = new LinkedHashMap<>();
        seen.put("method", response.getRequest().getHttpMethod().toString());
        seen.put("url", response.getRequest().getUrl().toString());
        seen.put("status", response.getStatusCode());
        seen.put("headers", headers);
        synchronized (responses) {
            responses.add(seen);
        }
        return response;
    }

    /** How many responses a request of this method to a URL with this end has had since the last take(). */
    int count(String method, String pathEnd) {
        synchronized (responses) {
            return (int) responses.stream()
                .filter(seen -> seen.get("method").equals(method))
                .filter(seen -> seen.get("url").toString().replaceAll("\\?.*", "").endsWith(pathEnd))
                .count();
        }
    }

    /** Everything since the last call. */
    List<Map<String, Object>> take() {
        synchronized (responses) {
            List<Map<String, Object>> taken = List.copyOf(responses);
            responses.clear();
            return taken;
        }
    }
}
