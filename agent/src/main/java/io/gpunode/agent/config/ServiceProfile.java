package io.gpunode.agent.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/**
 * What the agent's service must be allowed by systemd for a configuration, and nothing beyond it: capabilities, paths, devices, system calls, time
 * and memory. The unit is installed with the profile of the defaults; every other one is a drop-in. A pure function; nothing here is read while the
 * agent runs.
 *
 * <p>What NVIDIA's kernel modules ask of a caller is in their source (open-gpu-kernel-modules): administration is {@code capable(CAP_SYS_ADMIN)} in
 * {@code nv-linux.h}, profiling is {@code capable(CAP_PERFMON)} in {@code os-interface.c}.
 */
public final class ServiceProfile {
    /** The newest kernel that does not know {@code CAP_PERFMON} is 5.7. */
    private static final int PERFMON_MAJOR = 5;

    private static final int PERFMON_MINOR = 8;
    /** The first systemd with {@code Type=notify-reload}. */
    private static final int NOTIFY_RELOAD = 253;

    private static final String BOUNDING_SET = "CapabilityBoundingSet=";
    private static final int PRIVILEGED_PORTS = 1024;

    /**
     * The machine as far as the profile depends on it.
     *
     * @param systemd its number, such as 257; 0 where it is not known
     * @param kernelMajor of the running kernel
     * @param kernelMinor of the running kernel
     */
    public record Machine(int systemd, int kernelMajor, int kernelMinor) {
        /** A machine on which everything is known that the profile uses. */
        public static final Machine NEWEST = new Machine(257, 6, 12);

        private boolean knowsPerfmon() {
            return kernelMajor > PERFMON_MAJOR || (kernelMajor == PERFMON_MAJOR && kernelMinor >= PERFMON_MINOR);
        }

        private boolean reloadsByCommand() {
            return systemd > 0 && systemd < NOTIFY_RELOAD;
        }
    }

    private final AgentConfig config;
    private final Collection<Path> read;
    private final Machine machine;
    private final boolean driver;
    private final List<String> lines = new ArrayList<>();

    private ServiceProfile(AgentConfig config, Collection<Path> read, Machine machine) {
        this.config = config;
        this.read = read;
        this.machine = machine;
        this.driver = config.driver().manage();
    }

    /** The profile as lines of a unit's {@code [Service]} section, each setting below a comment that says what it is for. */
    public static List<String> lines(AgentConfig config, Machine machine) {
        return lines(config, List.of(), machine);
    }

    private static List<String> lines(AgentConfig config, Collection<Path> read, Machine machine) {
        ServiceProfile profile = new ServiceProfile(config, read, machine);
        profile.all();
        return List.copyOf(profile.lines);
    }

    /** The capabilities among them, such as {@code CAP_MKNOD}. */
    public static List<String> capabilities(AgentConfig config, Machine machine) {
        for (String line : lines(config, machine)) {
            if (line.startsWith(BOUNDING_SET)) {
                return List.of(line.substring(BOUNDING_SET.length()).split(" ", -1));
            }
        }
        return List.of();
    }

    /**
     * The same as a drop-in that counts whatever the unit says: its lists begin anew.
     *
     * @param read the files and directories that the configuration was read from, which the service must see, too
     */
    public static List<String> dropIn(AgentConfig config, Collection<Path> read, Machine machine) {
        List<String> all = new ArrayList<>();
        all.add("[Service]");
        all.add("# Lists begin anew, so that this file alone says what is in them.");
        for (String list : List.of(
                "ExecStartPre",
                "RuntimeDirectory",
                "StateDirectory",
                "CacheDirectory",
                "ReadWritePaths",
                "CapabilityBoundingSet",
                "DeviceAllow",
                "SystemCallFilter",
                "RestrictAddressFamilies")) {
            all.add(list + "=");
        }
        all.addAll(lines(config, read, machine));
        return all;
    }

    private void all() {
        directories();
        capabilities();
        devices();
        files();
        calls();
        room();
        if (machine.reloadsByCommand()) {
            say(
                    "systemd " + machine.systemd + " does not know Type=notify-reload and keeps Type=notify.",
                    "ExecReload=/bin/kill -HUP $MAINPID");
        }
    }

    private void directories() {
        TreeSet<String> run = new TreeSet<>();
        run.add("gpu-node-agent");
        below("/run", config.cdi().directory()).map(ServiceProfile::word).ifPresent(run::add);
        say(
                "Made before the start where they are missing, and kept: running containers need the CDI specifications.",
                "RuntimeDirectory=" + String.join(" ", run),
                "RuntimeDirectoryPreserve=yes",
                "StateDirectory=gpu-node-agent",
                "CacheDirectory=gpu-node-agent");
        if (!driver) {
            say(
                    List.of(
                            "Outside of what follows: the modules of a driver that the host has, as distributions leave nvidia-uvm to the first program",
                            "that uses CUDA (a node without a driver stays as it is); and a directory that, made later, would be read-only here."),
                    List.of(
                            "ExecStartPre=-+/sbin/modprobe -qab nvidia nvidia-uvm",
                            "ExecStartPre=+/bin/mkdir -p "
                                    + word(config.kubelet().socketDirectory().toString())
                                            .replace("$", "$$")));
        }
    }

    private void capabilities() {
        boolean kernelLog = config.health().kernelLog();
        boolean administers = driver || config.mig().manage() || !machine.knowsPerfmon();
        List<String> wanted = new ArrayList<>();
        List<String> why = new ArrayList<>();
        if (config.cdi().createDeviceNodes() || driver) {
            wanted.add("CAP_MKNOD");
            why.add("MKNOD: device nodes that are missing (cdi.createDeviceNodes).");
        }
        if (machine.knowsPerfmon()) {
            wanted.add("CAP_PERFMON");
            why.add("PERFMON: the driver's profiling and samples.");
        }
        if (kernelLog) {
            wanted.add("CAP_SYSLOG");
            why.add("SYSLOG: /dev/kmsg, where the driver tells XIDs (health.kernelLog).");
        }
        if (administers) {
            wanted.add("CAP_SYS_ADMIN");
            why.add(
                    driver
                            ? "SYS_ADMIN: mounts of the driver's files, persistence mode (driver.manage)."
                            : config.mig().manage()
                                    ? "SYS_ADMIN: the driver lets nobody else split GPUs (mig.manage)."
                                    : "SYS_ADMIN: profiling; this kernel is older than CAP_PERFMON.");
        }
        if (!driver
                && (!config.http().webConfigFile().isEmpty()
                        || !config.attribution().jobDirectory().isEmpty())) {
            wanted.add("CAP_DAC_READ_SEARCH");
            why.add("DAC_READ_SEARCH: files of other users (http.webConfigFile, attribution.jobDirectory).");
        }
        if (privilegedPort()) {
            wanted.add("CAP_NET_BIND_SERVICE");
            why.add("NET_BIND_SERVICE: a port below 1024 (http.listen).");
        }
        if (driver) {
            wanted.addAll(List.of(
                    "CAP_SYS_MODULE",
                    "CAP_SYS_PTRACE",
                    "CAP_DAC_OVERRIDE",
                    "CAP_DAC_READ_SEARCH",
                    "CAP_CHOWN",
                    "CAP_FOWNER",
                    "CAP_FSETID",
                    "CAP_SETUID",
                    "CAP_SETGID",
                    "CAP_KILL",
                    "CAP_SYS_CHROOT",
                    "CAP_SYS_NICE",
                    "CAP_SYS_RESOURCE",
                    "CAP_IPC_LOCK"));
            why.add("SYS_MODULE: loads and unloads kernel modules. SYS_PTRACE, DAC_READ_SEARCH: who holds the driver.");
            why.add(
                    "DAC_OVERRIDE, CHOWN, FOWNER, FSETID, SYS_CHROOT: a driver's files are unpacked with their owners.");
            why.add(
                    "SETUID, SETGID, KILL, SYS_NICE, SYS_RESOURCE, IPC_LOCK: the driver's daemons take users and limits of their own.");
        }
        why.addFirst("Of root's capabilities these remain.");
        say(why, List.of(BOUNDING_SET + String.join(" ", wanted), "NoNewPrivileges=yes"));
    }

    private boolean privilegedPort() {
        if (config.http().systemdSocket()) {
            return false;
        }
        for (String address : config.http().listen()) {
            try {
                int port = Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
                if (port > 0 && port < PRIVILEGED_PORTS) {
                    return true;
                }
            } catch (NumberFormatException e) {
                // The loader has refused it.
            }
        }
        return false;
    }

    private void devices() {
        if (driver) {
            return;
        }
        say(
                List.of(
                        "Character devices, and no disk. NVIDIA's have numbers that are known only when the driver is loaded, which may be",
                        "after this service has started: they cannot be named one by one. /dev/mem and ports need a capability that is gone."),
                List.of("DevicePolicy=closed", "DeviceAllow=char-* rwm"));
    }

    private void files() {
        if (driver) {
            say(
                    List.of(
                            "No mount namespace: what the agent mounts at /run/nvidia/driver must be seen by the host and by containers, and",
                            "modprobe, compilers and package tools find the host as it is. What follows works without one."),
                    List.of(
                            "ProtectSystem=no",
                            "ProtectHome=no",
                            "PrivateTmp=no",
                            "ProtectKernelTunables=no",
                            "ProtectKernelModules=no",
                            "ProtectKernelLogs=no",
                            "ProtectControlGroups=no",
                            "ProtectClock=no",
                            "ProtectHostname=no",
                            "PrivateIPC=no",
                            "DevicePolicy=auto"));
            return;
        }
        List<String> writable = new ArrayList<>();
        List<String> why = new ArrayList<>();
        why.add("Everything is read-only but /dev, the directories above, and these:");
        Path kubelet = parent(config.kubelet().devicePluginDirectory());
        writable.add(word("-" + kubelet));
        why.add("the kubelet's directory, as it may make the one of its plugins anew (kubeadm reset);");
        if (below("/run", config.cdi().directory()).isEmpty()) {
            writable.add(word("-" + config.cdi().directory()));
            why.add("CDI specifications (cdi.directory);");
        }
        AgentConfig.LabelOutput sink = config.labels().sink();
        if ((sink == AgentConfig.LabelOutput.AUTO || sink == AgentConfig.LabelOutput.FILE)
                && !config.labels().outputFile().isEmpty()) {
            writable.add(word("-" + parent(Path.of(config.labels().outputFile()))));
            why.add("Node Feature Discovery's files (labels.sink); restart the agent when NFD is installed later.");
        }
        if (!config.http().localSocket().isEmpty()) {
            Path directory = parent(Path.of(config.http().localSocket()));
            if (!directory.equals(Path.of("/run/gpu-node-agent"))) {
                writable.add(word("-" + directory));
                why.add("the local socket (http.localSocket).");
            }
        }
        say(why, List.of("ProtectSystem=strict", "ReadWritePaths=" + String.join(" ", writable)));
        say("Nothing of it is there.", "ProtectHome=" + (usesHomes() ? "read-only" : "yes"), "PrivateTmp=yes");
        List<String> kernel = new ArrayList<>(List.of(
                "ProtectKernelTunables=yes",
                "ProtectKernelModules=yes",
                "ProtectControlGroups=yes",
                "ProtectClock=yes",
                "ProtectHostname=yes",
                "PrivateIPC=yes"));
        if (!config.health().kernelLog()) {
            kernel.add("ProtectKernelLogs=yes");
        }
        say(
                List.of(
                        "Loads no module, sets nothing in /proc/sys and /sys. Other processes stay visible (no ProtectProc=): their cgroups say which",
                        "pod uses a GPU. The node's network stays (no PrivateNetwork=): scrapes, and the API server."),
                kernel);
    }

    private void calls() {
        say(
                "No MemoryDenyWriteExecute=: Java's compiler writes code and runs it.",
                "LockPersonality=yes",
                "RestrictRealtime=" + (driver ? "no" : "yes"),
                "RestrictSUIDSGID=" + (driver ? "no" : "yes"),
                "RestrictNamespaces=yes",
                "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
                "KeyringMode=private",
                "SystemCallArchitectures=native");
        if (driver) {
            say(
                    "Mounts and modules are this profile's purpose; the rest of what administers a machine is not.",
                    "SystemCallFilter=~@clock @cpu-emulation @obsolete @raw-io @reboot @swap");
        } else {
            say(
                    "What services call, and what makes device nodes; none of the calls that mount, load modules, trace or reboot.",
                    "SystemCallFilter=@system-service",
                    "SystemCallFilter=~@privileged",
                    "SystemCallErrorNumber=EPERM");
        }
    }

    private void room() {
        if (!driver) {
            return;
        }
        AgentConfig.Driver wanted = config.driver();
        if (wanted.source() != AgentConfig.Driver.SourceKind.HOST
                && wanted.build().compile()) {
            say(
                    "Kernel modules may be compiled: compilers count as the agent's own, and one that is killed must not take it along.",
                    "MemoryHigh=infinity",
                    "MemoryMax=infinity",
                    "TasksMax=4096",
                    "OOMPolicy=continue");
        }
        say("The driver's daemons outlive the agent, and the next one finds them.", "KillMode=process");
    }

    private boolean usesHomes() {
        List<String> paths = new ArrayList<>(List.of(
                config.kubernetes().kubeconfig(),
                config.http().webConfigFile(),
                config.attribution().jobDirectory(),
                config.mig().configFile(),
                config.nvml().library(),
                config.plugin().driverRoot().toString(),
                config.kubelet().devicePluginDirectory().toString(),
                config.kubelet().podResourcesSocket().toString(),
                config.cdi().directory().toString(),
                config.labels().outputFile(),
                config.http().localSocket()));
        for (Path path : read) {
            paths.add(path.toString());
        }
        for (String path : paths) {
            for (String home : List.of("/home/", "/root/", "/run/user/")) {
                if ((path + "/").startsWith(home)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The directory's name directly below another one, where {@code /var/run} is {@code /run}. */
    private static Optional<String> below(String top, Path directory) {
        String path = directory.toString().replaceFirst("^/var/run/", "/run/");
        String name = path.startsWith(top + "/") ? path.substring(top.length() + 1) : "";
        // RuntimeDirectory= gives a colon a meaning, and some versions of systemd take quotes and backslashes apart
        // twice.
        boolean plain = !name.isEmpty() && name.chars().noneMatch(c -> c == ':' || c == '"' || c == '\'' || c == '\\');
        return plain ? Optional.of(name) : Optional.empty();
    }

    /** One word of a list in a unit, whatever is in it: quoted where systemd would split it or drop a character, without specifiers. */
    private static String word(String text) {
        String plain = text.replace("%", "%%");
        boolean quoted = plain.chars().anyMatch(c -> c <= ' ' || c == '"' || c == '\'' || c == '\\' || c == ';');
        return quoted ? '"' + plain.replace("\\", "\\\\").replace("\"", "\\\"") + '"' : plain;
    }

    private static Path parent(Path path) {
        Path parent = path.getParent();
        return parent == null ? path : parent;
    }

    private void say(String why, String... settings) {
        say(List.of(why), List.of(settings));
    }

    private void say(List<String> why, List<String> settings) {
        for (String line : why) {
            lines.add("# " + line);
        }
        lines.addAll(settings);
    }
}
