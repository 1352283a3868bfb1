// SPDX-License-Identifier: MIT
// Loaded into Azurite before itself: *.localhost is the loopback by definition (RFC 6761), but not every resolver knows it.
// Azurite looks whether a copy source with a SAS may be read by reading it, under the name that the request gives it.

const dns = require("node:dns");

const lookup = dns.lookup;

dns.lookup = function (hostname, options, callback) {
  const isOurs = typeof hostname === "string" && hostname.endsWith(".localhost");
  return lookup.call(this, isOurs ? "127.0.0.1" : hostname, options, callback);
};
