// SPDX-License-Identifier: MIT
package blobproxy.sdk;

import com.azure.core.util.BinaryData;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HexFormat;

/** Bodies that every program of the matrix makes alike, and digests of what comes back. */
final class Content {
    private Content() {
    }

    /** Byte i is (i * 7 + seed) % 251. */
    static byte[] bytes(int count, int seed) {
        byte[] body = new byte[count];
        for (int i = 0; i < count; i++) {
            body[i] = (byte) ((i * 7L + seed) % 251);
        }
        return body;
    }

    static BinaryData data(int count, int seed) {
        return BinaryData.fromBytes(bytes(count, seed));
    }

    static InputStream stream(int count, int seed) {
        return new ByteArrayInputStream(bytes(count, seed));
    }

    static BinaryData text(String text) {
        return BinaryData.fromString(text);
    }

    static String blockId(int number) {
        return Base64.getEncoder().encodeToString(String.format("block-%04d", number).getBytes(StandardCharsets.US_ASCII));
    }

    static String sha256(byte[] body) {
        return HexFormat.of().formatHex(digest().digest(body));
    }

    static String sha256(Path file) throws IOException {
        try (Digest digest = new Digest()) {
            Files.copy(file, digest);
            return digest.sha256();
        }
    }

    private static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Takes a body of any size and keeps its digest only. */
    static final class Digest extends OutputStream {
        private final MessageDigest digest = Content.digest();
        private long count;

        @Override
        public void write(int octet) {
            digest.update((byte) octet);
            count++;
        }

        @Override
        public void write(byte[] buffer, int offset, int length) {
            digest.update(buffer, offset, length);
            count += length;
        }

        long count() {
            return count;
        }

        /** Of all so far; ends the digest. */
        String sha256() {
            return HexFormat.of().formatHex(digest.digest());
        }
    }
}
