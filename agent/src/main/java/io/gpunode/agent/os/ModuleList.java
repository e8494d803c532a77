package io.gpunode.agent.os;

import io.gpunode.agent.os.LoadedModule.Phase;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * The lines of {@code /proc/modules}: name, size, references, users, state, address and taint, such as
 * {@code nvidia 62144512 3 nvidia_uvm,nvidia_modeset, Live 0xffffffffc0a00000 (POE)}. The kernel makes the users from the same list as the entries of
 * {@code /sys/module/<name>/holders}. Kernels without unloading of modules write {@code -} for references and users.
 */
final class ModuleList {
    private static final int NAME = 0;
    private static final int SIZE = 1;
    private static final int REFERENCES = 2;
    private static final int USERS = 3;
    private static final int STATE = 4;
    private static final int FEWEST_FIELDS = 3;

    private ModuleList() {}

    /** The modules without their versions, which are not in this file. Lines that do not look like that are passed over. */
    static List<LoadedModule> parse(String text) {
        List<LoadedModule> modules = new ArrayList<>();
        for (String line : text.split("\n", -1)) {
            String[] fields = line.strip().split("\\s+", -1);
            if (fields.length >= FEWEST_FIELDS && !fields[NAME].isEmpty()) {
                modules.add(new LoadedModule(
                        fields[NAME],
                        number(fields[SIZE], 0),
                        (int) Math.min(Integer.MAX_VALUE, number(fields[REFERENCES], LoadedModule.NOT_COUNTED)),
                        users(fields.length > USERS ? fields[USERS] : "-"),
                        phase(fields.length > STATE ? fields[STATE] : ""),
                        "",
                        "",
                        taint(fields)));
            }
        }
        return modules;
    }

    private static List<String> users(String field) {
        List<String> users = new ArrayList<>();
        for (String user : field.split(",", -1)) {
            // [permanent] marks a module without an exit function.
            if (!user.isEmpty() && !user.equals("-") && !user.startsWith("[") && !users.contains(user)) {
                users.add(user);
            }
        }
        Collections.sort(users);
        return users;
    }

    private static Phase phase(String state) {
        return switch (state.toLowerCase(Locale.ROOT)) {
            case "loading" -> Phase.COMING;
            case "unloading" -> Phase.GOING;
            default -> Phase.LIVE;
        };
    }

    /** The letters of {@code (POE)}; {@code +} and {@code -} say the phase once more. */
    private static String taint(String[] fields) {
        String last = fields[fields.length - 1];
        if (fields.length <= STATE || !last.startsWith("(") || !last.endsWith(")") || last.length() < 2) {
            return "";
        }
        return last.substring(1, last.length() - 1).replace("+", "").replace("-", "");
    }

    private static long number(String text, long otherwise) {
        if (text.isEmpty() || text.length() > 18) {
            return otherwise;
        }
        long number = 0;
        for (int i = 0; i < text.length(); i++) {
            char digit = text.charAt(i);
            if (digit < '0' || digit > '9') {
                return otherwise;
            }
            number = 10 * number + (digit - '0');
        }
        return number;
    }
}
