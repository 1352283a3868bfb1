// SPDX-License-Identifier: MIT
// What Spark and Hadoop do through the wasb:// file system. Arguments: the container, which exists, and a working directory.

import java.io.File;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;

public class Scenario {
    interface Body {
        void run() throws Exception;
    }

    private static int passed, failed;

    private static void step(String name, Body body) {
        try {
            body.run();
            passed++;
            System.out.println("ok " + (passed + failed) + " - " + name);
        } catch (Exception | AssertionError error) {
            failed++;
            System.out.println("not ok " + (passed + failed) + " - " + name + "\n  # " + String.valueOf(error).replace("\n", "\n  # "));
        }
    }

    private static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static org.apache.hadoop.fs.Path path(String text) {
        return new org.apache.hadoop.fs.Path(text);
    }

    public static void main(String[] arguments) throws Exception {
        Configuration configuration = new Configuration();
        configuration.set("fs.azure.storage.emulator.account.name", "devstoreaccount1");
        configuration.set("fs.azure.skip.metrics", "true");
        FileSystem store = FileSystem.get(URI.create("wasb://" + arguments[0] + "@devstoreaccount1/"), configuration);
        byte[] data = new byte[50 << 20];
        new Random().nextBytes(data);
        Path local = new File(arguments[1], "large").toPath();
        Files.write(local, data);

        step("write a file of 50 MiB", () -> store.copyFromLocalFile(path(local.toString()), path("/dir/large")));
        step("list it", () -> {
            FileStatus[] found = store.listStatus(path("/dir"));
            check(found.length == 1 && found[0].getLen() == data.length, Arrays.toString(found));
        });
        step("what comes back is the same", () -> {
            try (InputStream stream = store.open(path("/dir/large"))) {
                check(Arrays.equals(stream.readAllBytes(), data), "other bytes");
            }
        });
        step("a part of it is the same", () -> {
            byte[] part = new byte[100_000];
            try (FSDataInputStream stream = store.open(path("/dir/large"))) {
                stream.readFully(30_000_000, part);
            }
            check(Arrays.equals(part, Arrays.copyOfRange(data, 30_000_000, 30_100_000)), "other bytes");
        });
        step("write a file piece by piece", () -> {
            try (FSDataOutputStream stream = store.create(path("/dir/pieces"))) {
                for (int i = 0; i < 1000; i++) stream.write(data, i * 1000, 1000);
            }
            check(store.getFileStatus(path("/dir/pieces")).getLen() == 1_000_000, "other length");
        });
        step("rename the directory, as a job's commit does", () -> {
            check(store.rename(path("/dir"), path("/done")), "refused");
            check(store.exists(path("/done/large")) && !store.exists(path("/dir/large")), "not moved");
        });
        step("delete it", () -> {
            check(store.delete(path("/done"), true), "refused");
            check(!store.exists(path("/done/large")), "still there");
        });
        System.out.println("1.." + (passed + failed) + "\n" + passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }
}
