package io.gpunode.benchmarks;

import io.gpunode.nvml.simulator.SimulatedProfile;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Simulated nodes that do not come with the simulator. */
final class Profiles {
    private static final Pattern GPU = Pattern.compile("gpu (\\d+) (.*)");
    private static final Pattern PLACE =
            Pattern.compile("pci=0000:|pcie-switch=(\\d+)|module=(\\d+)|uuid=GPU-(.)|serial=(\\d)");

    private static final int SLICES = 7;

    private Profiles() {}

    /** The profile with each GPU once more, in PCI domain 1 and with identities of their own. */
    static SimulatedProfile doubled(SimulatedProfile profile) {
        int gpus = profile.gpus().size();
        List<String> more = new ArrayList<>();
        for (String line : profile.text().replace("\\\n", " ").lines().toList()) {
            Matcher matcher = GPU.matcher(line);
            if (matcher.matches()) {
                more.add("gpu " + (Integer.parseInt(matcher.group(1)) + gpus) + " " + moved(matcher.group(2), gpus));
            }
        }
        return SimulatedProfile.parse(2 * gpus + " GPUs", profile.text() + "\n" + String.join("\n", more) + "\n");
    }

    /** The profile with each GPU as seven slices. */
    static SimulatedProfile sevenfold(SimulatedProfile profile, String slice) {
        StringBuilder text = new StringBuilder(profile.text()).append('\n');
        for (int gpu = 0; gpu < profile.gpus().size(); gpu++) {
            text.append("set gpu=").append(gpu).append(" mig-mode=on mig-pending=on\n");
            for (int place = 0; place < SLICES; place++) {
                text.append("mig gpu=")
                        .append(gpu)
                        .append(" profile=")
                        .append(slice)
                        .append(" start=")
                        .append(place)
                        .append('\n');
            }
        }
        return SimulatedProfile.parse(profile.gpus().size() + " GPUs in seven slices each", text.toString());
    }

    private static String moved(String properties, int by) {
        return PLACE.matcher(properties).replaceAll(found -> {
            String text = found.group();
            if (text.startsWith("pci=")) {
                return "pci=0001:";
            }
            if (text.startsWith("pcie-switch=")) {
                return "pcie-switch=" + (Integer.parseInt(found.group(1)) + by);
            }
            if (text.startsWith("module=")) {
                return "module=" + (Integer.parseInt(found.group(2)) + by);
            }
            if (text.startsWith("uuid=")) {
                return "uuid=GPU-" + (found.group(3).equals("0") ? "e" : "0");
            }
            return "serial=" + (Integer.parseInt(found.group(4)) + 1);
        });
    }
}
