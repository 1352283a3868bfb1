// SPDX-License-Identifier: MIT
package blobproxy.sdk;

/** Calls the service and puts down what an application sees of it. */
@FunctionalInterface
interface Scenario {
    void run(Service service, Results results) throws Exception;
}
