// SPDX-License-Identifier: MIT
// Node 18 (Debian 12) has no global crypto, which the SDK uses; to be imported before the SDK.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
