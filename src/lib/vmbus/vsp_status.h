/* SPDX-License-Identifier: MIT */
/* The status codes of a completed transfer, for both ends. They have the form of Windows HRESULTs (0x8007 and a Win32 error). */
#ifndef BLOBPROXY_VSP_STATUS_H
#define BLOBPROXY_VSP_STATUS_H

/* Executed; the HTTP outcome is in the response buffer. */
#define VSP_STATUS_OK 0x00000000u

/* ERROR_INVALID_DATA: no envelope that this host knows, or no HTTP/1.1 head in it. Not executed, nothing in the response buffer.
 */
#define VSP_STATUS_INVALID_DATA 0x8007000Du

/* ERROR_OUTOFMEMORY: not executed, nothing in the response buffer. */
#define VSP_STATUS_OUT_OF_MEMORY 0x8007000Eu

/* ERROR_CRC: the envelope's checksum is wrong. Not executed, nothing in the response buffer. */
#define VSP_STATUS_CRC 0x80070017u

/* ERROR_NOT_SUPPORTED: an intact envelope of another format than HTTP. Not executed, nothing in the response buffer. */
#define VSP_STATUS_NOT_SUPPORTED 0x80070032u

/* ERROR_INVALID_PARAMETER: the request message is longer than any head may be. Not executed, nothing in the response buffer. */
#define VSP_STATUS_INVALID_PARAMETER 0x80070057u

/* ERROR_INSUFFICIENT_BUFFER, and the response length says which buffer. 0: the head did not fit the response buffer, and the
 * request MAY have been executed. Otherwise: the body would not fit the data buffer, nothing was executed, and the response
 * buffer holds the head of the answer that would have been given (Content-Length, ETag). */
#define VSP_STATUS_INSUFFICIENT_BUFFER 0x8007007Au

/* ERROR_NOT_READY: the host's storage cannot be reached now. Not executed, nothing in the response buffer. */
#define VSP_STATUS_NOT_READY 0x80070015u

/* WAIT_TIMEOUT: the timeout passed before the request was started, or before its answer came: it MAY have been executed. Nothing in
 * the response buffer. */
#define VSP_STATUS_TIMEOUT 0x80070102u

/* ERROR_INTERNAL_ERROR: the executor gave no usable answer. The outcome is unknown. */
#define VSP_STATUS_INTERNAL 0x8007054Fu

#endif
