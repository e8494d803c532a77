package io.gpunode.agent.os;

/** Systemd's unit of a process, as {@code /proc/<pid>/cgroup} names it. */
final class UnitCgroup {
    private UnitCgroup() {}

    /**
     * The outermost service or scope, which is what {@code systemctl stop} takes: {@code dcgm.service} of {@code /system.slice/dcgm.service/worker}, and
     * {@code session-3.scope} of a login. With version 1 of control groups it is the line of systemd's own hierarchy that counts. Empty for none.
     */
    static String of(String text) {
        String best = "";
        for (String line : text.split("\n", -1)) {
            int first = line.indexOf(':');
            int second = line.indexOf(':', first + 1);
            if (first >= 0 && second > first) {
                String controllers = line.substring(first + 1, second);
                String unit = ofPath(line.substring(second + 1));
                if (!unit.isEmpty() && (best.isEmpty() || controllers.equals("name=systemd"))) {
                    best = unit;
                }
            }
        }
        return best;
    }

    private static String ofPath(String path) {
        for (String name : path.split("/", -1)) {
            if (name.endsWith(".service") || name.endsWith(".scope")) {
                return name;
            }
        }
        return "";
    }
}
